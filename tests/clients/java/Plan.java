import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import java.util.Map;
import org.json.JSONObject;

/** What every driver is told: see ../README.md. */
record Plan(String server, String key, List<Event> events) {
    /** One call on the client; big integers are kept exact. */
    record Event(int n, String call, String name, String user, String device, Date time, Map<String, Object> properties) {
        String person() {
            return user == null ? device : user;
        }
    }

    static Plan read(String[] arguments) throws Exception {
        var plan = new JSONObject(Files.readString(Path.of(arguments[0])));
        var events = new ArrayList<Event>();
        for (var item : plan.getJSONArray("events")) {
            var event = (JSONObject) item;
            var properties = event.optJSONObject("properties", new JSONObject()).toMap();
            properties.computeIfPresent("when", (name, when) -> Date.from(Instant.parse((String) when)));
            events.add(new Event(event.getInt("n"), event.getString("call"), event.optString("name", null),
                event.optString("user", null), event.optString("device", null), new Date(event.getLong("time_ms")), properties));
        }
        return new Plan(plan.getString("server"), plan.getString("key"), events);
    }
}
