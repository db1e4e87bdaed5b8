// The one place that sets the engine up: its modules, its look, its options.
import {
  CellStyleModule,
  CheckboxEditorModule,
  ColumnApiModule,
  CustomEditorModule,
  CustomFilterModule,
  GridStateModule,
  InfiniteRowModelModule,
  ModuleRegistry,
  RenderApiModule,
  RowApiModule,
  RowSelectionModule,
  RowStyleModule,
  ScrollApiModule,
  themeQuartz,
  TooltipModule,
} from "ag-grid-community";

let registered = false;

export function registerModules(): void {
  if (registered) return;
  registered = true;
  ModuleRegistry.registerModules([
    CellStyleModule,
    CheckboxEditorModule,
    ColumnApiModule,
    CustomEditorModule,
    CustomFilterModule,
    GridStateModule,
    InfiniteRowModelModule,
    RenderApiModule,
    RowApiModule,
    RowSelectionModule,
    RowStyleModule,
    ScrollApiModule,
    TooltipModule,
  ]);
}

export const theme = themeQuartz.withParams({
  accentColor: "var(--wb-accent)",
  backgroundColor: "var(--wb-bg)",
  borderColor: "var(--wb-line)",
  browserColorScheme: "inherit",
  chromeBackgroundColor: "var(--wb-bg-raised)",
  fontFamily: "inherit",
  fontSize: 13,
  foregroundColor: "var(--wb-fg)",
  headerFontWeight: 600,
  headerHeight: 38,
  rowHeight: 34,
  wrapperBorderRadius: 8,
  cellHorizontalPadding: 12,
  columnBorder: false,
});
