# Who was denied access to the mount by a policy:
#
#     jq -r --arg mount finicity -f audit/denied.jq audit.log
select(.type == "response" and (.error // "" | contains("permission denied"))
  and (.request.path | startswith($mount + "/")))
| [.time[:19] + "Z", .auth.display_name, .auth.metadata.role_name // "-", .request.remote_address,
  .request.operation, .request.path]
| join(" ")
