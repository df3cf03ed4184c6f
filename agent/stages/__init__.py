"""One coroutine each: glue between core, analysis and ports; await and policy live here."""
