# The credential. Terraform sends it once, when it creates this resource. After that,
# the engine manages the credential, and these variables may stay empty.
#
# This works with each version of the provider that main.tf allows. The cost: the state
# file and every plan file contain data_json in plain text, "sensitive" or not. Rotate right after the apply to invalidate that secret. The app key in the state
# stays valid. write-only/credential.tf replaces this file and leaves no trace, but
# needs a newer provider.
variable "partner_id" {
  type = string
}

variable "partner_secret" {
  type      = string
  sensitive = true
  default   = null
}

variable "app_key" {
  type      = string
  sensitive = true
  default   = null
}

variable "base_url" {
  type    = string
  default = "https://api.finicity.com"
}

resource "vault_generic_endpoint" "credential" {
  path = "${vault_mount.finicity.path}/config"

  data_json = jsonencode({
    partner_id     = var.partner_id
    partner_secret = var.partner_secret
    app_key        = var.app_key
    base_url       = var.base_url
  })

  # A read returns neither the secret nor the app key, and main.tf reads the settings
  # already.
  disable_read   = true
  disable_delete = true

  lifecycle {
    # From the first rotation on, Terraform has an old secret. The engine refuses it
    # without calling Finicity, so nothing would be lost without this line. But every
    # apply that tries to write it would fail.
    ignore_changes = [data_json]

    # This line does not protect the credential, because disable_delete does. It
    # prevents a replacement of this resource (-replace), which would send the old
    # secret again and keep failing.
    prevent_destroy = true
  }
}
