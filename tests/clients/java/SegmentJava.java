import com.segment.analytics.Analytics;
import com.segment.analytics.Callback;
import com.segment.analytics.messages.AliasMessage;
import com.segment.analytics.messages.GroupMessage;
import com.segment.analytics.messages.IdentifyMessage;
import com.segment.analytics.messages.Message;
import com.segment.analytics.messages.MessageBuilder;
import com.segment.analytics.messages.PageMessage;
import com.segment.analytics.messages.ScreenMessage;
import com.segment.analytics.messages.TrackMessage;
import java.util.Map;
import java.util.concurrent.CountDownLatch;

class SegmentJava {
    public static void main(String[] arguments) throws Exception {
        var plan = Plan.read(arguments);
        var server = plan.server();
        var key = plan.key();
        var ended = new CountDownLatch(plan.events().size() + 1);
        var callback = new Callback() {
            public void success(Message message) {
                ended.countDown();
            }

            public void failure(Message message, Throwable error) {
                System.err.println(error);
                ended.countDown();
            }
        };
        // quick start
        var analytics = Analytics.builder(key).endpoint(server).callback(callback).build();
        analytics.enqueue(TrackMessage.builder("order_paid").userId("u-17").properties(Map.of("amount", 19.9)));
        // end
        for (var event : plan.events()) {
            var message = message(event).timestamp(event.time());
            if (event.user() != null) message.userId(event.user());
            if (event.device() != null) message.anonymousId(event.device());
            analytics.enqueue(message);
        }
        analytics.flush();
        ended.await();
        analytics.shutdown();
    }

    private static MessageBuilder<?, ?> message(Plan.Event event) {
        return switch (event.call()) {
            case "track" -> TrackMessage.builder(event.name()).properties(event.properties());
            case "page" -> PageMessage.builder(event.name()).properties(event.properties());
            case "screen" -> ScreenMessage.builder(event.name()).properties(event.properties());
            case "identify" -> IdentifyMessage.builder().traits(event.properties());
            case "group" -> GroupMessage.builder(event.name()).traits(event.properties());
            case "alias" -> AliasMessage.builder(event.device());
            default -> throw new IllegalArgumentException(event.call());
        };
    }
}
