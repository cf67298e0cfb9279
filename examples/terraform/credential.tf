# The credential, sent once: when this resource is made. Afterwards it is the engine's, and these variables may stay empty.
#
# It works with each provider of main.tf, and costs this: data_json stands in the state file and in the plan of the first
# apply as it is, "sensitive" or not. Rotate right afterwards, and that secret is dead; the app key there is not.
# write-only/credential.tf, in the place of this file, leaves no trace, and wants a newer provider.
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

  # What is read has neither the secret nor the app key, and the settings are read already.
  disable_read   = true
  disable_delete = true

  lifecycle {
    # From the first rotation on Terraform has an old secret. The engine refuses that one without asking Finicity, so that
    # nothing would be lost without this line, but every apply would fail that wants to write it.
    ignore_changes = [data_json]

    # Not for the sake of the credential, which disable_delete keeps: a resource made anew (-replace) sends the old secret
    # again, and goes on failing.
    prevent_destroy = true
  }
}
