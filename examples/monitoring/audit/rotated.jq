# Who rotated the secret, and whether the request succeeded:
#
#     jq -r --arg mount finicity -f audit/rotated.jq audit.log
#
# Rotations of the schedule are not requests: see last_vault_rotation in the status.
select(.type == "response"
  and (.request.path == $mount + "/rotate-root" or .request.path == $mount + "/config/rotate"))
| [.time[:19] + "Z", .auth.display_name, .auth.metadata.role_name // "-", .request.remote_address, .request.path,
  if .error or .response.data.error then "failed" else "succeeded" end]
| join(" ")
