namespace Microsoft.ML.SharpnessAware;

/// <summary>The style sheet of the report. No signs that XML encodes: a style element is not decoded.</summary>
internal static class ReportStyle
{
    public const string Css = """

        :root { color-scheme: light dark; --ink: #1a1a1a; --quiet: #595959; --paper: #ffffff; --card: #f4f6f8; --line: #d5dae0;
          --wrong: #a34500; --right: #00507e; }
        @media (prefers-color-scheme: dark) {
          :root { --ink: #e8e8e8; --quiet: #b0b4ba; --paper: #15181c; --card: #20252b; --line: #3a4149; --wrong: #ff9a5c;
            --right: #7cc4f2; }
        }
        * { box-sizing: border-box; }
        body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
        main { max-width: 72rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
        h1 { font-size: 1.8rem; line-height: 1.2; margin: .5rem 0 1rem; }
        h2 { font-size: 1.4rem; line-height: 1.25; margin: 2.5rem 0 .75rem; padding-top: .75rem; border-top: 2px solid var(--line); }
        h3 { font-size: 1.1rem; margin: 1.5rem 0 .5rem; }
        h4 { font-size: 1rem; margin: 1.25rem 0 .4rem; }
        p { max-width: 46rem; margin: .5rem 0; }
        .quiet { color: var(--quiet); font-size: .9rem; }
        .headline { background: var(--card); border-left: .3rem solid var(--right); border-radius: .3rem; padding: .6rem 1rem;
          margin: .75rem 0; }
        .headline h3 { margin: 0; }
        .headline p { max-width: none; }
        .headline .say { font-size: 1.15rem; font-weight: 600; }
        .figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); gap: 1rem; align-items: start; }
        figure { margin: 0; background: #ffffff; border: 1px solid var(--line); border-radius: .4rem; padding: .5rem; overflow-x: auto; }
        figure svg { display: block; width: 100%; height: auto; min-width: 26rem; max-width: 56rem; margin: 0 auto; }
        .wide { grid-column: 1 / -1; }
        .scroll { overflow-x: auto; margin: .5rem 0; }
        table { border-collapse: collapse; font-size: .93rem; }
        th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
        thead th { border-bottom: 2px solid var(--line); vertical-align: bottom; }
        th { font-weight: 600; min-width: 5rem; max-width: 28rem; overflow-wrap: break-word; }
        th.n { max-width: 12rem; white-space: normal; overflow-wrap: break-word; }
        .why { color: var(--quiet); font-weight: 400; font-size: .87rem; line-height: 1.35; min-width: 9.5rem; }
        .range { color: var(--quiet); font-weight: 400; font-size: .8rem; white-space: nowrap; }
        .n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
        .best { font-weight: 700; }
        .examples { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 16.5rem), 1fr)); gap: .6rem; padding: 0;
          margin: .5rem 0; list-style: none; }
        .examples li { display: flex; gap: .7rem; background: var(--card); border-radius: .4rem; padding: .6rem; font-size: .9rem;
          line-height: 1.4; }
        .examples img { flex: none; background: #ffffff; border-radius: .2rem; align-self: flex-start; }
        .small { image-rendering: pixelated; }
        .noimage { flex: none; width: 6rem; min-height: 6rem; border: 1px dashed var(--quiet); border-radius: .2rem; padding: .3rem;
          font-size: .72rem; line-height: 1.25; color: var(--quiet); }
        .examples div { min-width: 0; }
        .wrong { color: var(--wrong); }
        .right { color: var(--right); }
        @media (max-width: 30rem) { body { font-size: .95rem; } .headline .say { font-size: 1.05rem; } }
        @media print {
          :root { color-scheme: light; --ink: #000000; --quiet: #404040; --paper: #ffffff; --card: #ffffff; --line: #b0b0b0;
            --wrong: #a34500; --right: #00507e; }
          body { font-size: 10pt; }
          main { max-width: none; padding: 0; }
          figure, .headline, .examples li { break-inside: avoid; }
          .examples li { border: 1px solid var(--line); }
          figure { overflow: visible; }
          figure svg { min-width: 0; max-height: 23cm; }
          h2, h3 { break-after: avoid; }
          tr { break-inside: avoid; }
          .scroll { overflow: visible; }
        }

        """;
}
