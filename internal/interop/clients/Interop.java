import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.common.utils.Utils;

/** The Java client's side of the interoperability test: see interop_test.go for the arguments. */
public class Interop {
    static final int KEYS = 10_000;
    static final ObjectMapper mapper = new ObjectMapper();

    record Format(byte[] value, java.util.function.Predicate<byte[]> reads) {}

    static <T> Format of(Serializer<T> serializer, Deserializer<T> deserializer, T value) {
        return new Format(serializer.serialize("t", value), data -> value.equals(deserializer.deserialize("t", data)));
    }

    static <T> T configured(T serde, String encoding) {
        Map<String, String> config = Map.of("serializer.encoding", encoding, "deserializer.encoding", encoding);
        if (serde instanceof Serializer<?> s) s.configure(config, false);
        if (serde instanceof Deserializer<?> d) d.configure(config, false);
        return serde;
    }

    static Format json() throws Exception {
        String text = "{\"name\":\"é日本\",\"id\":-42,\"price\":1.5,\"count\":1099511627776,\"note\":\"n\",\"tags\":[\"a\",\"b\"]}";
        JsonNode want = mapper.readTree(text);
        return new Format(mapper.writeValueAsBytes(want), data -> {
            try {
                return want.equals(mapper.readTree(data));
            } catch (Exception e) {
                throw new RuntimeException(e);
            }
        });
    }

    static Map<String, Format> formats() throws Exception {
        Map<String, Format> m = new HashMap<>();
        m.put("string", of(new StringSerializer(), new StringDeserializer(), "é日本"));
        m.put("latin1", of(configured(new StringSerializer(), "ISO-8859-1"), configured(new StringDeserializer(), "ISO-8859-1"), "é"));
        byte[] bytes = {0, (byte) 0xff};
        m.put("bytes", new Format(bytes, data -> Arrays.equals(bytes, data)));
        m.put("int", of(new IntegerSerializer(), new IntegerDeserializer(), -42));
        m.put("long", of(new LongSerializer(), new LongDeserializer(), 1L << 40));
        m.put("float", of(new FloatSerializer(), new FloatDeserializer(), 0.5f));
        m.put("double", of(new DoubleSerializer(), new DoubleDeserializer(), 123.123));
        m.put("boolean", of(new BooleanSerializer(), new BooleanDeserializer(), true));
        m.put("json", json());
        return m;
    }

    public static void main(String[] args) throws Exception {
        String mode = args[0], brokers = args[1], prefix = args[3];
        Map<String, Integer> counts = new TreeMap<>();
        for (String part : args[4].split(",")) {
            String[] pair = part.split("=");
            counts.put(pair[0], Integer.parseInt(pair[1]));
        }
        if (mode.equals("write")) {
            write(brokers, prefix, counts);
        } else {
            read(brokers, prefix, counts);
        }
    }

    static void write(String brokers, String prefix, Map<String, Integer> counts) throws Exception {
        Map<String, Object> config = Map.of("bootstrap.servers", brokers, "linger.ms", 5);
        try (var producer = new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer())) {
            var sent = new ArrayList<java.util.concurrent.Future<RecordMetadata>>();
            byte[] key = "java".getBytes(StandardCharsets.UTF_8);
            for (String name : counts.keySet()) {
                sent.add(producer.send(new ProducerRecord<>(prefix + "in-" + name, key, formats().get(name).value())));
            }
            Random random = new Random();
            for (int i = 0; i < KEYS; i++) {
                byte[] k = new byte[random.nextInt(65)];
                random.nextBytes(k);
                sent.add(producer.send(new ProducerRecord<>(prefix + "in-keys", k, new byte[0])));
            }
            producer.flush();
            for (var f : sent) f.get();
        }
    }

    static void read(String brokers, String prefix, Map<String, Integer> counts) throws Exception {
        Map<String, Format> formats = formats();
        counts.put("keys", KEYS);
        try (var consumer = new KafkaConsumer<>(Map.of("bootstrap.servers", brokers), new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            var partitions = new ArrayList<TopicPartition>();
            for (String name : counts.keySet()) {
                consumer.partitionsFor(prefix + "out-" + name).forEach(p -> partitions.add(new TopicPartition(p.topic(), p.partition())));
            }
            int keyPartitions = consumer.partitionsFor(prefix + "out-keys").size();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            int left = counts.values().stream().mapToInt(Integer::intValue).sum();
            long deadline = System.nanoTime() + Duration.ofSeconds(120).toNanos();
            while (left > 0) {
                if (System.nanoTime() > deadline) throw new RuntimeException(left + " records are missing");
                for (var r : consumer.poll(Duration.ofMillis(500))) {
                    left--;
                    String name = r.topic().substring((prefix + "out-").length());
                    if (name.equals("keys")) {
                        int want = Utils.toPositive(Utils.murmur2(r.key())) % keyPartitions;
                        if (want != r.partition()) {
                            throw new RuntimeException("key " + HexFormat.of().formatHex(r.key()) + ": partition " + r.partition() + ", want " + want);
                        }
                    } else if (!formats.get(name).reads().test(r.value())) {
                        throw new RuntimeException(r.topic() + " of " + new String(r.key()) + ": " + HexFormat.of().formatHex(r.value()));
                    }
                }
            }
        }
    }
}
