// SPDX-License-Identifier: MPL-2.0

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Calls Finicity's API with the token from Vault, and reads the token again in time: see
 * ../README.md.
 *
 *     java Client.java 3 1    3 calls, one per second
 *
 * It needs a JDK of version 11 or newer and no packages.
 * test/e2e/testdata/clients.txtar runs it.
 */
public class Client {
    private static final String VAULT = env("VAULT_ADDR", "https://127.0.0.1:8200");
    private static final String FINICITY = env("FINICITY_URL", "https://api.finicity.com");
    // It follows no redirect, which would send the token to another address.
    private static final HttpClient HTTP = HttpClient.newHttpClient();
    private static final long TEN_SECONDS = Duration.ofSeconds(10).toNanos();
    private static String[] kept;
    private static long again;
    private static long lastRefused = System.nanoTime() - TEN_SECONDS; // The last read because of a refused token.

    static HttpResponse<String> get(String url, String... headers) throws IOException, InterruptedException {
        CompletableFuture<HttpResponse<String>> answer = HTTP.sendAsync(
                HttpRequest.newBuilder(URI.create(url)).headers(headers).build(), HttpResponse.BodyHandlers.ofString());
        try {
            return answer.get(10, TimeUnit.SECONDS); // The timeout of a request would not include the body.
        } catch (ExecutionException | TimeoutException e) {
            answer.cancel(true);
            throw new IOException(e);
        }
    }

    static synchronized String[] headers(boolean refused) throws IOException, InterruptedException {
        refused = refused && System.nanoTime() - lastRefused >= TEN_SECONDS;
        if (refused) lastRefused = System.nanoTime();
        if (!refused && kept != null && System.nanoTime() - again < 0) return kept;
        try {
            String file = env("VAULT_TOKEN_FILE", "");
            String vaultToken = file.isEmpty() ? env("VAULT_TOKEN", "") : Files.readString(Path.of(file)).strip();
            String[] request = {"X-Vault-Request", "true"};
            if (!vaultToken.isEmpty()) request = new String[] {"X-Vault-Request", "true", "X-Vault-Token", vaultToken}; // Otherwise, a proxy adds one.
            HttpResponse<String> answer = get(VAULT + "/v1/finicity/static-token", request);
            if (answer.statusCode() != 200) throw new IOException("Vault: HTTP " + answer.statusCode());
            long ttl = Long.parseLong(field(answer.body(), "ttl"));
            kept = new String[] {"Finicity-App-Key", field(answer.body(), "app_key"),
                    "Finicity-App-Token", field(answer.body(), "token"), "Accept", "application/json"};
            again = System.nanoTime() + Duration.ofSeconds(ttl).toNanos(); // The token is due for a refresh then.
            System.out.println("token: again in " + ttl + " seconds");
        } catch (IOException | RuntimeException e) {
            if (refused || kept == null) throw e;
            again = System.nanoTime() + TEN_SECONDS; // The kept token stays valid for another 25 minutes.
            System.out.println("token: kept, because Vault returns none: " + e);
        }
        return kept;
    }

    static HttpResponse<String> call(String path) throws IOException, InterruptedException {
        HttpResponse<String> response = get(FINICITY + path, headers(false));
        return response.statusCode() == 401 ? get(FINICITY + path, headers(true)) : response;
    }

    /** The JDK has no JSON parser, and no value here has escapes. A real app uses its own parser. */
    static String field(String json, String name) throws IOException {
        Matcher found = Pattern.compile("\"" + name + "\":\\s*(\"[^\"]+\"|[1-9]\\d*)").matcher(json);
        if (!found.find()) throw new IOException("Vault returns no " + name);
        return found.group(1).replace("\"", "");
    }

    static String env(String name, String otherwise) {
        return System.getenv().getOrDefault(name, otherwise);
    }

    public static void main(String[] args) throws Exception {
        for (int n = 1; n <= Integer.parseInt(args[0]); n++) {
            int status = call("/aggregation/v1/customers").statusCode();
            if (status != 200) throw new IOException("call " + n + ": HTTP " + status);
            System.out.println("call " + n + ": HTTP 200");
            Thread.sleep((long) (1000 * Double.parseDouble(args[1])));
        }
    }
}
