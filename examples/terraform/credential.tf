# Terraform sends the credential once, when it creates this resource. Afterwards the engine owns the credential, and these
# variables may stay empty.
#
# This works with every provider that main.tf allows, but data_json is in plain text in the state file and in the plan of
# the first apply, even if it is "sensitive". Rotate right afterwards, so that the secret there no longer works. The app
# key there stays valid. write-only/credential.tf replaces this file, leaves no trace, and needs a newer provider.
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

  # A read returns neither the secret nor the app key, and another resource already reads the settings.
  disable_read   = true
  disable_delete = true

  lifecycle {
    # After the first rotation, Terraform has an old secret. The engine refuses it without a request to Finicity. Without
    # this line, nothing would be lost, but every apply that writes the secret would fail.
    ignore_changes = [data_json]

    # disable_delete already protects the credential. This line prevents -replace, which would send the old secret again,
    # and fail each time.
    prevent_destroy = true
  }
}
