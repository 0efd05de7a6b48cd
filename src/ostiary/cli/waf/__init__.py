"""`ostiary waf`: rules that look into requests, asked without any gateway."""

from __future__ import annotations

from cyclopts import App

from ostiary.cli.waf.ask import ask
from ostiary.cli.waf.install_crs import install_crs
from ostiary.cli.waf.lint import lint
from ostiary.cli.waf.replay import replay
from ostiary.cli.waf.rule_explain import explain
from ostiary.cli.waf.tune import tune

app = App(
    name="waf",
    help_epilogue="",
    help="Rules that look into requests: tested, explained and tuned without any gateway.",
)
app.command(ask, name="test")
for _command in (explain, lint, replay, tune, install_crs):
    app.command(_command)
