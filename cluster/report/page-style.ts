/**
 * The one style sheet of the pages and of charts that stand alone. Colours are Okabe and Ito's, which people with any colour vision tell apart; on dark
 * ground their lighter relatives.
 */
const LIGHT = `--ground:#fff;--panel:#f5f6f8;--ink:#1b1f24;--soft:#57606a;--rule:#d5dae0;--ok:#0072b2;--unknown:#a86a00;--fail:#b4235a;--skip:#6e7781;--fault:#e69f00;--outage:#cc3d00;--good:#1a7f37;--bad:#b42318;--link:#0b5cad`;
const DARK = `--ground:#14171b;--panel:#1e2329;--ink:#e8eaed;--soft:#a3abb5;--rule:#3a424c;--ok:#56b4e9;--unknown:#f0b429;--fail:#ff8fb8;--skip:#8b949e;--fault:#e69f00;--outage:#ff7f50;--good:#57d27a;--bad:#ff8b82;--link:#79b8ff`;

export const CHART_STYLE = `
.chart{display:block;width:100%;height:auto;font:11px system-ui,sans-serif}
.chart text{fill:var(--ink)}
.chart .tick,.chart .band-label{fill:var(--soft)}
.chart .label,.chart .value{font-size:12px}
.chart .strong{font-weight:700}
.chart .grid{stroke:var(--rule);stroke-width:.7}
.chart .axis{stroke:var(--soft);stroke-width:1}
.chart .moment{stroke:var(--ink);stroke-width:1;stroke-dasharray:2 3}
.chart .band{fill-opacity:.16}
.chart .band.fault{fill:var(--fault)}
.chart .band.outage{fill:var(--outage);fill-opacity:.2}
.chart .edge{stroke-width:1}
.chart .edge.fault{stroke:var(--fault);stroke-dasharray:5 3}
.chart .edge.outage{stroke:var(--outage)}
.chart .mark{fill:none;stroke-width:1.6}
.chart .mark.acknowledged{stroke:var(--ok);stroke-width:3.4;stroke-linecap:round;stroke-opacity:.75}
.chart .mark.unknown{fill:var(--unknown);stroke:none}
.chart .mark.failed{stroke:var(--fail)}
.chart .mark.skipped{stroke:var(--skip)}
.chart .bar.acknowledged{fill:var(--ok)}
.chart .ground.unknown{fill:var(--unknown)}
.chart .ground.failed{fill:var(--fail)}
.chart .ground.skipped{fill:var(--skip)}
.chart .hatch{stroke:var(--ground);stroke-width:1.2;fill:none}
.chart .phase.outage{fill:var(--outage)}
.chart .phase.service{fill:var(--ok)}
.chart .limit{stroke:var(--bad);stroke-width:1.4;stroke-dasharray:7 4}
.chart .point{stroke:var(--ground);stroke-width:.8}
.chart .point.passed{fill:var(--ok)}
.chart .point.failed{fill:var(--bad)}
.chart .point.unknown{fill:var(--unknown)}
`;

export const COLOURS = `:root{color-scheme:light dark;${LIGHT}}@media (prefers-color-scheme:dark){:root{${DARK}}}`;

export const PAGE_STYLE = `${COLOURS}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:980px;margin:0 auto;padding:24px 20px 64px}
h1{font-size:25px;line-height:1.25;margin:0 0 6px;overflow-wrap:anywhere}
h2{font-size:18px;margin:36px 0 8px}
p{margin:6px 0}
a{color:var(--link)}
.soft{color:var(--soft)}
.verdict{border-left:6px solid var(--soft);background:var(--panel);padding:14px 18px;border-radius:4px;margin:14px 0}
.verdict.passed{border-color:var(--good)}
.verdict.failed,.verdict.error{border-color:var(--bad)}
.verdict.unknown,.verdict.refused,.verdict.cancelled{border-color:var(--fault)}
.verdict strong{font-size:19px}
.figures{display:grid;grid-template-columns:repeat(3,1fr);gap:10px;margin:14px 0;padding:0}
.figures div{background:var(--panel);border-radius:4px;padding:10px 14px}
.figures dt{color:var(--soft);font-size:13px}
.figures dd{margin:0;font-size:20px;font-weight:600;font-variant-numeric:tabular-nums}
.figures small{display:block;font-size:12.5px;font-weight:400;color:var(--soft)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px}
caption{text-align:left;color:var(--soft);padding:4px 0}
th,td{text-align:left;vertical-align:top;padding:5px 12px 5px 0;border-bottom:1px solid var(--rule);overflow-wrap:break-word}
table.stack td{overflow-wrap:anywhere}
table.stack td.roomy{min-width:14rem}
td.unbroken{white-space:nowrap}
th{color:var(--soft);font-weight:600}
td.number,th.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.state{white-space:nowrap}
.good{color:var(--good)}.bad{color:var(--bad)}.doubt{color:var(--unknown)}
figure{margin:12px 0}
figcaption{color:var(--soft);font-size:13px}
.key{display:inline-flex;align-items:center;gap:5px;margin-right:14px;white-space:nowrap}
.key svg{width:14px;height:14px}
pre{background:var(--panel);padding:12px;border-radius:4px;overflow:auto;font:12px/1.45 ui-monospace,monospace;max-height:520px}
summary{cursor:pointer;padding:4px 0}
code{font:13px ui-monospace,monospace;overflow-wrap:anywhere}
${CHART_STYLE}
.chart.narrow{display:none}
@media (max-width:640px){
.figures{grid-template-columns:repeat(2,1fr)}
.scroll table:not(.stack){min-width:35rem}
.scroll caption{max-width:calc(100vw - 24px)}
main{padding:16px 12px 48px}
h1{font-size:21px}
.chart.wide{display:none}
.chart.narrow{display:block}
table.stack thead{position:absolute;clip-path:inset(50%);height:1px;overflow:hidden}
table.stack,table.stack tbody,table.stack tr,table.stack td{display:block}
table.stack tr{border-bottom:1px solid var(--rule);padding:6px 0}
table.stack td{border:0;padding:1px 0;text-align:left}
table.stack td:empty{display:none}
}
@media print{pre{max-height:none}}
`;

/** For an SVG file that is opened by itself. */
export const STANDALONE_STYLE = `${COLOURS.replaceAll(':root', 'svg')}${CHART_STYLE}svg{background:var(--ground)}`;
