# Every command there is. `make demo` and `make test` do all the set-up by themselves.
.PHONY: demo check test guard guard-install golden clean

demo: ## one command protects a real application
	@tools/bootstrap run
	@exec .venv/bin/ostiary demo

check: ## under a minute: style, types, import contracts, unit, golden and meaning tests
	@tools/bootstrap dev
	@tools/guard style
	.venv/bin/ruff format --check --quiet
	.venv/bin/ruff check --quiet
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache
	.venv/bin/pytest -q -n 4 -m "not services" tests/house tests/unit tests/golden tests/meaning

test: ## everything, real Envoy and browser included
	@tools/bootstrap dev
	@tools/browser
	@tools/guard
	.venv/bin/ruff format --check --quiet
	.venv/bin/ruff check --quiet
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache
	.venv/bin/pytest -n 2 tests

guard: ## the Rust part: style, lints and tests of every crate
	@tools/guard

guard-install: ## build the guard anew and put it into .venv, nothing else
	@tools/guard install

golden: ## write the golden pages anew; read the difference before you commit it
	@tools/bootstrap dev
	.venv/bin/pytest -q tests/golden --golden-update

clean: ## take away what the commands above made
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis guard/target
	rm -f guard/python/python/ostiary_guard/*.so
