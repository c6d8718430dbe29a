"""The act: spec, plan, launch, collect, verdict, render. The only composer of the project."""
