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

ERROR = "color: var(--jp-error-color1, #c62828); white-space: pre-wrap"
"""Of a line that says what went wrong."""
