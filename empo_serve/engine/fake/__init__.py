"""The fake engine: vLLM's HTTP surface over a toy model, to test and try out the control plane.

    python -m empo_serve.engine.fake --model NAME --port 8100

`tokenizer.py`, `model.py` and `adapters.py` are the toy model; `body.py`, `protocol.py` and
`errors.py` the requests; `wire.py` the answers; `slots.py` and `server.py` the server, with its
knobs. The contract suite runs the same tests against this and against vLLM.
"""
