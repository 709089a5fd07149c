import com.sensorsdata.analytics.javasdk.SensorsAnalytics;
import com.sensorsdata.analytics.javasdk.consumer.BatchConsumer;
import java.util.HashMap;
import java.util.Map;

class SensorsJava {
    interface Call {
        void run() throws Exception;
    }

    public static void main(String[] arguments) throws Exception {
        var plan = Plan.read(arguments);
        var server = plan.server();
        var key = plan.key();
        // quick start
        var consumer = new BatchConsumer(server + "/sa?project=" + key, 50, true);
        var sensors = new SensorsAnalytics(consumer);
        sensors.track("u-17", true, "order_paid", new HashMap<>(Map.of("amount", 19.9)));
        // end
        for (var event : plan.events()) {
            try {
                call(sensors, event);
            } catch (RuntimeException error) {
                // The batch was not taken; the consumer has kept it, this event too.
                System.err.println(error);
            }
        }
        untilItSucceeds(sensors::flush);
        sensors.shutdown();
    }

    private static void call(SensorsAnalytics sensors, Plan.Event event) throws Exception {
        var login = event.user() != null;
        var who = event.person();
        var properties = event.properties();
        var at = new HashMap<>(properties);
        at.put("$time", event.time());
        switch (event.call()) {
            case "track" -> sensors.track(who, login, event.name(), at);
            case "identify" -> sensors.profileSet(who, login, at);
            case "set_once" -> sensors.profileSetOnce(who, login, at);
            case "increment" -> sensors.profileIncrement(who, login, properties);
            case "append" -> sensors.profileAppend(who, login, properties);
            case "unset" -> sensors.profileUnset(who, login, unset(properties));
            case "delete" -> sensors.profileDelete(who, login);
            case "alias" -> sensors.trackSignUp(who, event.device(), at);
            case "item_set" -> sensors.itemSet("sku", event.name(), properties);
            default -> throw new IllegalArgumentException(event.call());
        }
    }

    private static Map<String, Object> unset(Map<String, Object> properties) {
        properties.replaceAll((name, value) -> true);
        return properties;
    }

    private static void untilItSucceeds(Call flush) throws Exception {
        for (var tries = 0; tries < 200; tries++) {
            try {
                flush.run();
                return;
            } catch (RuntimeException error) {
                System.err.println(error);
                Thread.sleep(50);
            }
        }
        throw new IllegalStateException("it never succeeded");
    }
}
