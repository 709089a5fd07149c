import com.posthog.java.PostHog;
import java.util.HashMap;
import java.util.Map;

class PostHogJava {
    public static void main(String[] arguments) throws Exception {
        var plan = Plan.read(arguments);
        var server = plan.server();
        var key = plan.key();
        // quick start
        var posthog = new PostHog.Builder(key).host(server).build();
        posthog.capture("u-17", "order_paid", Map.of("amount", 19.9));
        // end
        for (var event : plan.events()) {
            var properties = new HashMap<>(event.properties());
            if (properties.get("when") instanceof java.util.Date when) properties.put("when", when.toInstant().toString());
            switch (event.call()) {
                case "track" -> posthog.capture(event.person(), event.name(), properties);
                case "identify" -> posthog.set(event.person(), properties);
                case "set_once" -> posthog.setOnce(event.person(), properties);
                case "alias" -> posthog.alias(event.person(), event.device());
                default -> throw new IllegalArgumentException(event.call());
            }
        }
        posthog.shutdown();
    }
}
