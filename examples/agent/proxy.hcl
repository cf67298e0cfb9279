# Vault Proxy logs in for apps on this machine. They read the token from it over HTTP,
# without credentials of their own:
#
#     vault proxy -config=proxy.hcl
#
# Every process that can connect to the listener can read the token.
#
# Adjust the lines marked with EDIT. Paths are relative to the folder in which you start
# it.
pid_file = "agent.pid"

vault {
  address = "https://vault.example.com:8200" # EDIT. VAULT_ADDR in the environment takes precedence.
}

auto_auth {
  method "approle" {
    max_backoff = "10s"

    config = {
      role_id_file_path   = "role-id"   # EDIT
      secret_id_file_path = "secret-id" # EDIT

      # Otherwise a restarted proxy cannot log in.
      remove_secret_id_file_after_reading = false
    }
  }
}

api_proxy {
  use_auto_auth_token = true
}

listener "tcp" {
  address     = "127.0.0.1:8100" # EDIT. Use only a loopback address.
  tls_disable = true

  # A web page or a redirect cannot make the app's HTTP client send this header.
  require_request_header = true
}
