# Who changed the configuration or the mount, which fields the request had, and whether
# it succeeded. It also shows each move of any mount (sys/remount), because the log has
# only a hash of the path:
#
#     jq -r --arg mount finicity -f audit/configured.jq audit.log
select(.type == "response" and .request.operation != "read"
  and (.request.path == $mount + "/config" or .request.path == "sys/remount"
    or .request.path == "sys/mounts/" + $mount or .request.path == "sys/mounts/" + $mount + "/tune"))
| [.time[:19] + "Z", .auth.display_name, .auth.metadata.role_name // "-", .request.remote_address,
  .request.operation, .request.path, (.request.data // {} | keys | join(",")),
  if .error or .response.data.error then "failed" else "succeeded" end]
| join(" ")
