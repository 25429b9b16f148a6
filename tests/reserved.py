"""Fields of a request that are ours alone, written down apart from the code that strips them."""

RESERVED = (
    "priority",
    "kv_transfer_params",
    "ec_transfer_params",
    "vllm_xargs",
    "request_id",
    "prompt_logprobs",
    "cache_salt",
    "return_token_ids",
    "lora_path",
    "lora_request",
    "extra_lora",
    "empo",
)
