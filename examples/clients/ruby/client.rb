# frozen_string_literal: true

# SPDX-License-Identifier: MPL-2.0
#
# Calls Finicity's API with the token from Vault, and reads the token again in time: see
# ../README.md.
#
#     ruby client.rb 3 1    3 calls, one per second
#
# It needs Ruby 2.7 or newer and no gems. test/e2e/testdata/clients.txtar runs it.

require "json"
require "net/http"

VAULT = ENV.fetch("VAULT_ADDR", "https://127.0.0.1:8200")
FINICITY = ENV.fetch("FINICITY_URL", "https://api.finicity.com")
$kept = nil
$again = 0
$last_refused = -Float::INFINITY # The last read because of a refused token.

def now
  Process.clock_gettime(Process::CLOCK_MONOTONIC)
end

# Net::HTTP follows no redirect, which would send the token to another address.
def get(url, headers)
  url = URI(url)
  # By default, Net::HTTP repeats a request after a timeout.
  Net::HTTP.start(url.host, url.port, use_ssl: url.scheme == "https", open_timeout: 10, read_timeout: 10, max_retries: 0) do |http|
    http.get(url.request_uri, headers)
  end
end

def headers(refused: false)
  refused &&= now - $last_refused > 10
  $last_refused = now if refused
  return $kept unless refused || now >= $again

  file = ENV.fetch("VAULT_TOKEN_FILE", "")
  vault_token = file.empty? ? ENV.fetch("VAULT_TOKEN", "") : File.read(file).strip
  request = { "X-Vault-Request" => "true" }
  request["X-Vault-Token"] = vault_token unless vault_token.empty? # Otherwise, a proxy adds one.
  answer = get("#{VAULT}/v1/finicity/static-token", request)
  raise IOError, "Vault: HTTP #{answer.code}" unless answer.code == "200"

  data = JSON.parse(answer.body).fetch("data")
  raise IOError, "no token in the answer" if data["app_key"].empty? || data["token"].empty? || data["ttl"] < 1

  $again = now + data["ttl"] # The token is due for a refresh then.
  puts "token: again in #{data['ttl']} seconds"
  $kept = { "Finicity-App-Key" => data["app_key"], "Finicity-App-Token" => data["token"], "Accept" => "application/json" }
rescue StandardError => e # Also an answer that is not Vault's.
  raise if refused || $kept.nil?

  $again = now + 10 # The kept token stays valid for another 25 minutes.
  puts "token: kept, because Vault returns none: #{e.message}"
  $kept
end

def call(path)
  answer = get(FINICITY + path, headers)
  answer.code == "401" ? get(FINICITY + path, headers(refused: true)) : answer
end

$stdout.sync = true
1.upto(Integer(ARGV[0])) do |n|
  answer = call("/aggregation/v1/customers")
  abort "call #{n}: HTTP #{answer.code}" unless answer.code == "200"
  puts "call #{n}: HTTP 200"
  sleep Float(ARGV[1])
end
