"""One coroutine each: glue between core, analysis and ports; the only place with await and policy."""
