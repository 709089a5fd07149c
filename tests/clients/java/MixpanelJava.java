import com.mixpanel.mixpanelapi.ClientDelivery;
import com.mixpanel.mixpanelapi.MessageBuilder;
import com.mixpanel.mixpanelapi.MixpanelAPI;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import org.json.JSONObject;

class MixpanelJava {
    public static void main(String[] arguments) throws Exception {
        var plan = Plan.read(arguments);
        var server = plan.server();
        var key = plan.key();
        // quick start
        var mixpanel = new MixpanelAPI(server + "/track", server + "/engage", server + "/groups");
        var messages = new MessageBuilder(key);
        var paid = messages.event("u-17", "order_paid", new JSONObject().put("amount", 19.9));
        // end
        deliver(mixpanel, -1, paid);
        for (var event : plan.events()) deliver(mixpanel, event.n(), message(messages, event));
        mixpanel.close();
    }

    private static void deliver(MixpanelAPI mixpanel, int n, JSONObject message) {
        var delivery = new ClientDelivery();
        delivery.addMessage(message);
        try {
            mixpanel.deliver(delivery);
            System.out.println("{\"accepted\":[" + n + "]}");
        } catch (IOException error) {
            // The library keeps nothing, and says so.
            System.err.println(error);
        }
    }

    private static JSONObject message(MessageBuilder messages, Plan.Event event) {
        var who = event.person();
        var properties = new JSONObject(event.properties());
        if (event.properties().get("when") instanceof java.util.Date when) properties.put("when", when.toInstant().toString());
        return switch (event.call()) {
            case "track" -> messages.event(who, event.name(), properties.put("time", event.time().getTime()));
            case "identify" -> messages.set(who, properties);
            case "set_once" -> messages.setOnce(who, properties);
            case "increment" -> messages.increment(who, numbers(event.properties()));
            case "append" -> messages.append(who, properties);
            case "unset" -> messages.unset(who, event.properties().keySet());
            case "delete" -> messages.delete(who);
            default -> throw new IllegalArgumentException(event.call());
        };
    }

    private static Map<String, Long> numbers(Map<String, Object> properties) {
        var numbers = new HashMap<String, Long>();
        properties.forEach((name, value) -> numbers.put(name, ((Number) value).longValue()));
        return numbers;
    }
}
