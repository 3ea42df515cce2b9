import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.spi.ToolProvider;

/** Runs the `jar` of this Java with each line of words that it is given, and answers with its status. */
class Jar {
    public static void main(String[] none) throws IOException {
        var jar = ToolProvider.findFirst("jar").orElseThrow();
        var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (var line = lines.readLine(); line != null; line = lines.readLine()) {
            System.out.println(jar.run(System.err, System.err, line.split("\t")));
            System.out.flush();
        }
    }
}
