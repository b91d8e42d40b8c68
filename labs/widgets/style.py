"""Colours and style sheets of the HTML widgets: offline, readable in light and dark themes."""

LIKELY = "0, 114, 178"
"""Blue of Okabe and Ito's palette, told apart with the common colour-vision deficiencies."""

UNLIKELY = "213, 94, 0"
"""Vermilion of the same palette."""

HEAT = f"""<style>
.rl-heat {{ color: var(--jp-ui-font-color1, inherit); position: relative; max-width: 860px; }}
.rl-heat-text {{ font-family: var(--jp-code-font-family, monospace); font-size: 14px;
  line-height: 1.9; white-space: pre-wrap; overflow-wrap: anywhere; padding: 6px 2px; }}
.rl-token {{ border-radius: 3px; padding: 2px 1px; cursor: default;
  border-bottom: 1px solid rgba({UNLIKELY}, 0.25); }}
.rl-token:hover, .rl-token:focus {{ outline: 2px solid var(--jp-brand-color1, #1976d2); }}
.rl-texts {{ max-height: 420px; overflow-y: auto; }}
.rl-prompt {{ opacity: 0.6; }}
.rl-dim {{ opacity: 0.6; font-size: 12px; }}
.rl-panel, .rl-tip {{ height: 5em; box-sizing: border-box; padding: 6px 10px; overflow: hidden;
  border-radius: 4px; font: 13px/1.6 var(--jp-ui-font-family, sans-serif); white-space: normal; }}
.rl-panel {{ border: 1px dashed var(--jp-border-color1, #bbb); }}
.rl-panel span {{ opacity: 0.75; }}
.rl-tip {{ display: none; position: absolute; left: 0; right: 0; bottom: 0; z-index: 1;
  color: var(--jp-ui-font-color1, #222); background: var(--jp-layout-color2, #eee);
  border: 1px solid var(--jp-border-color1, #bbb); }}
.rl-token:hover .rl-tip, .rl-token:focus .rl-tip {{ display: block; }}
.rl-token:hover .rl-tip {{ z-index: 2; }}
.rl-pair {{ white-space: nowrap; }}
.rl-tip b {{ font-family: var(--jp-code-font-family, monospace); }}
.rl-line {{ font: 12px var(--jp-ui-font-family, sans-serif); padding: 3px 2px 6px; }}
.rl-line {{ white-space: normal; line-height: 1.9; }}
.rl-line span {{ padding: 1px 7px; border-radius: 3px; white-space: nowrap;
  border-bottom: 1px solid rgba({UNLIKELY}, 0.25); }}
.rl-narrow .rl-panel, .rl-narrow .rl-tip {{ height: 8.2em; }}
</style>"""
"""Of `heat.py`: text, legend, and the panel below in which a token's numbers appear."""

BARS = f"""<style>
.rl-bars {{ color: var(--jp-ui-font-color1, inherit); max-width: 620px;
  font: 13px/1.35 var(--jp-ui-font-family, sans-serif); }}
.rl-bars table {{ border-collapse: collapse; width: 100%; table-layout: fixed; margin: 0; }}
.rl-bars tr, .rl-bars td, .rl-bars th {{ background: transparent; border: none; }}
.rl-bars th {{ font-weight: normal; opacity: 0.75; }}
.rl-bars td, .rl-bars th {{ padding: 1px 6px; text-align: right; vertical-align: middle; }}
.rl-bars .rl-name {{ width: 6em; font-family: var(--jp-code-font-family, monospace);
  overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }}
.rl-bars .rl-share {{ width: 5.2em; font-variant-numeric: tabular-nums; white-space: nowrap; }}
.rl-bars .rl-bar {{ height: 7px; border-radius: 2px; margin: 1px 0; }}
.rl-bars .rl-before {{ background: rgba({LIKELY}, 0.85); }}
.rl-bars .rl-after {{ background: rgba({UNLIKELY}, 0.9); }}
.rl-bars .rl-gone {{ opacity: 0.45; }}
.rl-bars .rl-sum {{ padding: 6px; }}
</style>"""
"""Of `bars.py`: a table with two bars a token."""

RATER = """<style>
.rl-asked, .rl-side pre { font: 14px/1.6 var(--jp-code-font-family, monospace); margin: 4px 2px;
  white-space: pre-wrap; overflow-wrap: anywhere; color: var(--jp-ui-font-color1, inherit);
  background: transparent; }
.rl-side { border: 1px solid var(--jp-border-color1, #bbb); border-radius: 4px; padding: 6px 10px;
  margin: 4px; max-height: 320px; overflow-y: auto; }
</style>"""
"""Of `rater.py`: the question, and two traces side by side."""

ERROR = "color: var(--jp-error-color1, #c62828); white-space: pre-wrap"
"""Of a line that says what went wrong."""

LINEAGE = f"""
.rl-lineage {{ color: var(--jp-ui-font-color1, inherit); max-width: 1000px;
  font: 13px/1.5 var(--jp-ui-font-family, sans-serif); }}
.rl-lineage svg {{ width: 100%; height: auto; display: block; }}
.rl-lineage text {{ fill: currentColor; font-size: 11px; opacity: 0.8; }}
.rl-lineage .rl-grid {{ stroke: currentColor; stroke-opacity: 0.12; }}
.rl-lineage .rl-edge {{ fill: none; stroke: currentColor; stroke-opacity: 0.16; }}
.rl-lineage .rl-second {{ stroke-dasharray: 3 3; stroke-opacity: 0.1; }}
.rl-lineage .rl-near {{ stroke-opacity: 0.7; }}
.rl-lineage .rl-edge.rl-on {{ stroke: rgb({UNLIKELY}); stroke-opacity: 1; stroke-width: 2.5; }}
.rl-lineage .rl-node {{ cursor: pointer; stroke: var(--jp-layout-color0, #fff); }}
.rl-lineage .rl-failed {{ stroke: rgb({UNLIKELY}); stroke-opacity: 0.8; }}
.rl-lineage .rl-idle {{ stroke: currentColor; stroke-opacity: 0.5; }}
.rl-lineage .rl-node.rl-on {{ stroke: rgb({UNLIKELY}); stroke-width: 2; stroke-opacity: 1; }}
.rl-lineage .rl-node.rl-selected {{ stroke: var(--jp-ui-font-color0, #000); stroke-width: 3; }}
.rl-lineage .rl-node:focus {{ outline: none; stroke: var(--jp-brand-color1, #1976d2);
  stroke-width: 4; stroke-opacity: 1; }}
.rl-lineage .rl-node:hover {{ stroke: currentColor; stroke-width: 2; stroke-opacity: 1; }}
.rl-lineage .rl-note {{ opacity: 0.75; font-size: 12px; padding: 2px 0 8px; }}
.rl-lineage .rl-waiting {{ opacity: 0.45; }}
.rl-lineage h3 {{ font-size: 16px; margin: 4px 0; }}
.rl-lineage h4 {{ font-size: 12px; font-weight: 600; opacity: 0.75; margin: 8px 0 3px; }}
.rl-lineage .rl-facts > span {{ margin-right: 18px; display: inline-block; }}
.rl-lineage .rl-links button {{ margin: 0 3px 2px 0; padding: 0 6px; cursor: pointer; font: inherit;
  color: inherit; background: var(--jp-layout-color2, rgba(128, 128, 128, 0.15));
  border: 1px solid var(--jp-border-color1, #bbb); border-radius: 3px; }}
.rl-lineage .rl-reason {{ color: rgb({UNLIKELY}); white-space: pre-wrap; }}
.rl-lineage .rl-columns {{ display: flex; flex-wrap: wrap; gap: 0 14px; }}
.rl-lineage .rl-box {{ flex: 1 1 380px; min-width: 0; }}
.rl-lineage pre {{ font: 12px/1.45 var(--jp-code-font-family, monospace); margin: 0;
  padding: 6px 8px; white-space: pre-wrap; word-break: normal; overflow-wrap: anywhere;
  max-height: 24em;
  overflow-y: auto; color: inherit;
  background: var(--jp-layout-color2, rgba(128, 128, 128, 0.1)); }}
.rl-lineage .rl-old {{ background: rgba({UNLIKELY}, 0.16); }}
.rl-lineage .rl-new {{ background: rgba({LIKELY}, 0.18); }}
.rl-lineage .rl-old .rl-word {{ background: rgba({UNLIKELY}, 0.4); }}
.rl-lineage .rl-new .rl-word {{ background: rgba({LIKELY}, 0.42); }}
.rl-lineage .rl-gap {{ opacity: 0.6; }}
.rl-lineage details {{ margin-top: 8px; }}
.rl-lineage summary {{ cursor: pointer; }}
.rl-lineage table {{ border-collapse: collapse; margin: 4px 0; }}
.rl-lineage td, .rl-lineage th {{ padding: 1px 14px 1px 0; text-align: right;
  font-variant-numeric: tabular-nums; font-weight: normal; border: none; }}
.rl-lineage tr {{ background: transparent; }}
"""
"""Of `lineage.py`: the drawing and the panel on the chosen program."""
