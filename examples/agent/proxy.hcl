# Vault Proxy logs in for apps on this machine. They read the token from the proxy over HTTP, without credentials:
#
#     vault proxy -config=proxy.hcl
#
# Anyone who can connect to the listener can read the token.
#
# Adjust the lines marked with EDIT. Paths are relative to the folder that the proxy is started in.
pid_file = "agent.pid"

vault {
  address = "https://vault.example.com:8200" # EDIT. VAULT_ADDR in the environment overrides it.
}

auto_auth {
  method "approle" {
    max_backoff = "10s"

    config = {
      role_id_file_path   = "role-id"   # EDIT
      secret_id_file_path = "secret-id" # EDIT

      # Otherwise an agent that is started again can't log in.
      remove_secret_id_file_after_reading = false
    }
  }
}

api_proxy {
  use_auto_auth_token = true
}

listener "tcp" {
  address     = "127.0.0.1:8100" # EDIT. Nothing but the loopback.
  tls_disable = true

  # A web page or a redirect can't make the app's HTTP client send this one.
  require_request_header = true
}
