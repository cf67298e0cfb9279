# Who got a token, or a wrapped one, and when:
#
#     jq -r --arg mount finicity -f audit/read.jq audit.log
select(.type == "response" and (.response.data.token // .response.wrap_info) != null
  and (.request.path == $mount + "/token" or .request.path == $mount + "/static-token"))
| [.time[:19] + "Z", .auth.display_name, .auth.metadata.role_name // "-", .request.remote_address, .request.path]
| join(" ")
