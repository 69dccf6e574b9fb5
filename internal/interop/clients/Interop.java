import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.protobuf.DescriptorProtos.FileDescriptorProto;
import com.google.protobuf.DescriptorProtos.FileDescriptorSet;
import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.FileDescriptor;
import com.google.protobuf.DynamicMessage;
import com.google.protobuf.util.JsonFormat;
import com.networknt.schema.InputFormat;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.*;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.common.utils.Utils;

/**
 * The Java client's side of the interoperability test: see interop_test.go for the arguments.
 *
 * <p>Primitives are those of the Kafka client. Avro is Apache's and Protobuf is Google's; the frames of the registry are made and
 * read here, with the schemas that the registry has.
 */
public class Interop {
    static final int KEYS = 10_000;
    static final ObjectMapper mapper = new ObjectMapper();
    static final Path testdata = Path.of("testdata");
    static final HttpClient http = HttpClient.newHttpClient();
    static String registry;

    interface Writer { byte[] write(String topic) throws Exception; }

    interface Reader { boolean reads(ConsumerRecord<byte[], byte[]> r) throws Exception; }

    record Format(Writer writer, Map<String, String> headers, Reader reader) {}

    interface Bytes { byte[] get() throws Exception; }

    interface Check { boolean test(byte[] data) throws Exception; }

    /** A format of which neither the topic nor headers matter. */
    static Format plain(Bytes value, Check check) { return new Format(topic -> value.get(), Map.of(), r -> check.test(r.value())); }

    static <T> Format of(Serializer<T> serializer, Deserializer<T> deserializer, T value) {
        return plain(() -> serializer.serialize("t", value), data -> value.equals(deserializer.deserialize("t", data)));
    }

    static <T> T configured(T serde, String encoding) {
        Map<String, String> config = Map.of("serializer.encoding", encoding, "deserializer.encoding", encoding);
        if (serde instanceof Serializer<?> s) s.configure(config, false);
        if (serde instanceof Deserializer<?> d) d.configure(config, false);
        return serde;
    }

    // ---- the registry

    static String testdata(String name) throws Exception { return Files.readString(testdata.resolve(name)); }

    static JsonNode ask(HttpRequest.Builder request) throws Exception {
        request.header("Content-Type", "application/vnd.schemaregistry.v1+json");
        var response = http.send(request.build(), HttpResponse.BodyHandlers.ofString());
        if (response.statusCode() != 200) throw new RuntimeException(response.request() + ": " + response.statusCode() + " " + response.body());
        return mapper.readTree(response.body());
    }

    /** The magic byte and the id of a schema, which is registered for the values of a topic. */
    static ByteArrayOutputStream frame(String topic, String type, String schema) throws Exception {
        ObjectNode body = mapper.createObjectNode().put("schemaType", type).put("schema", schema);
        int id = ask(HttpRequest.newBuilder(URI.create(registry + "/subjects/" + topic + "-value/versions"))
            .POST(HttpRequest.BodyPublishers.ofString(body.toString()))).get("id").asInt();
        var out = new ByteArrayOutputStream();
        out.writeBytes(ByteBuffer.allocate(5).put((byte) 0).putInt(id).array());
        return out;
    }

    /** Takes the magic byte and the id off, and returns the schema that the registry has. */
    static String schemaOf(ByteBuffer frame, String type) throws Exception {
        if (frame.get() != 0) throw new RuntimeException("the magic byte is missing");
        JsonNode found = ask(HttpRequest.newBuilder(URI.create(registry + "/schemas/ids/" + frame.getInt())));
        if (!found.path("schemaType").asText("AVRO").equals(type)) throw new RuntimeException("want a schema of type " + type + ", got " + found);
        return found.get("schema").asText();
    }

    // ---- JSON

    static final String ITEM = "{\"name\":\"é日本\",\"id\":-42,\"price\":1.5,\"count\":1099511627776,\"note\":\"n\",\"tags\":[\"a\",\"b\"]}";

    /** Compares JSON in which 1 is 1.0. */
    static boolean same(JsonNode want, JsonNode got) {
        return want.equals((a, b) -> a.isNumber() && b.isNumber() ? a.decimalValue().compareTo(b.decimalValue()) : a.equals(b) ? 0 : 1, got);
    }

    static Format json() {
        return plain(() -> ITEM.getBytes(StandardCharsets.UTF_8), data -> same(mapper.readTree(ITEM), mapper.readTree(data)));
    }

    static boolean valid(String schema, String data) {
        return SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_7).getSchema(schema).validate(data, InputFormat.JSON).isEmpty();
    }

    static Format jsonSchema() {
        return new Format(
            topic -> {
                var out = frame(topic, "JSON", testdata("item.schema.json"));
                out.writeBytes(ITEM.getBytes(StandardCharsets.UTF_8));
                return out.toByteArray();
            },
            Map.of(),
            r -> {
                ByteBuffer data = ByteBuffer.wrap(r.value());
                String schema = schemaOf(data, "JSON"), text = StandardCharsets.UTF_8.decode(data).toString();
                return valid(schema, text) && !valid(schema, "{\"name\":1}") && same(mapper.readTree(ITEM), mapper.readTree(text));
            });
    }

    // ---- Avro

    static Schema avroSchema() throws Exception { return new Schema.Parser().parse(testdata("item.avsc")); }

    static GenericRecord avroItem() throws Exception {
        var item = new GenericData.Record(avroSchema());
        item.put("name", "é日本");
        item.put("id", -42);
        item.put("price", 1.5);
        item.put("count", 1L << 40);
        item.put("note", "n");
        item.put("tags", List.of("a", "b"));
        return item;
    }

    static byte[] encodeAvro() throws Exception {
        var out = new ByteArrayOutputStream();
        var encoder = EncoderFactory.get().binaryEncoder(out, null);
        new GenericDatumWriter<GenericRecord>(avroSchema()).write(avroItem(), encoder);
        encoder.flush();
        return out.toByteArray();
    }

    static boolean isAvroItem(Schema written, ByteBuffer data) throws Exception {
        var decoder = DecoderFactory.get().binaryDecoder(data.array(), data.position(), data.remaining(), null);
        GenericRecord got = new GenericDatumReader<GenericRecord>(written, avroSchema()).read(null, decoder);
        return decoder.isEnd() && got.toString().equals(avroItem().toString());
    }

    static Format avro() { return plain(Interop::encodeAvro, data -> isAvroItem(avroSchema(), ByteBuffer.wrap(data))); }

    static Format avroFramed() {
        return new Format(
            topic -> {
                var out = frame(topic, "AVRO", avroSchema().toString());
                out.writeBytes(encodeAvro());
                return out.toByteArray();
            },
            Map.of(),
            r -> {
                ByteBuffer data = ByteBuffer.wrap(r.value());
                return isAvroItem(new Schema.Parser().parse(schemaOf(data, "AVRO")), data);
            });
    }

    // ---- Protobuf

    /** The descriptor of item.proto, which the test has compiled. */
    static FileDescriptor protobufFile() throws Exception {
        FileDescriptorProto file = FileDescriptorSet.parseFrom(Files.readAllBytes(Path.of(System.getenv("WEIR_INTEROP_DESCRIPTORS")))).getFile(0);
        return FileDescriptor.buildFrom(file, new FileDescriptor[0]);
    }

    static DynamicMessage message(Descriptor type, String json) throws Exception {
        var message = DynamicMessage.newBuilder(type);
        JsonFormat.parser().merge(json, message);
        return message.build();
    }

    static Format protobuf() throws Exception {
        Descriptor type = protobufFile().findMessageTypeByName("Item");
        DynamicMessage item = message(type, ITEM);
        return plain(item::toByteArray, data -> DynamicMessage.parseFrom(type, data).equals(item));
    }

    /** Messages in frames, with the indexes as they have to be between the id and the message. */
    static Format protobufFramed(Descriptor type, String json, int... indexes) throws Exception {
        DynamicMessage message = message(type, json);
        byte[] path = new byte[indexes.length];
        for (int i = 0; i < path.length; i++) path[i] = (byte) indexes[i];
        return new Format(
            topic -> {
                var out = frame(topic, "PROTOBUF", testdata("item.proto"));
                out.writeBytes(path);
                out.writeBytes(message.toByteArray());
                return out.toByteArray();
            },
            Map.of(),
            r -> {
                ByteBuffer data = ByteBuffer.wrap(r.value());
                String schema = schemaOf(data, "PROTOBUF");
                byte[] got = new byte[path.length];
                data.get(got);
                byte[] rest = new byte[data.remaining()];
                data.get(rest);
                return schema.contains("message " + type.getName()) && Arrays.equals(path, got)
                    && DynamicMessage.parseFrom(type, rest).equals(message);
            });
    }

    // ---- Quix

    static final String SERIES = "{\"BinaryValues\":{\"d\":[\"Ynl0ZXM=\"]},\"StringValues\":{\"c\":[\"é\"]},\"NumericValues\":{\"a\":[1],\"b\":[1.1]},"
        + "\"Timestamps\":[1234567890],\"TagValues\":{\"t\":[\"u\"]}}";
    static final String EVENT = "{\"Id\":\"an_event\",\"Value\":\"é\",\"Tags\":{\"t\":\"u\"},\"Timestamp\":1692703362840389000}";

    /** The legacy form: an envelope that also says between which bytes the data are. */
    static Format envelope(String model, String body) {
        byte[] start = ("{\"C\":\"JT\",\"K\":\"" + model + "\",\"V\":").getBytes(StandardCharsets.UTF_8);
        byte[] data = body.getBytes(StandardCharsets.UTF_8);
        return plain(
            () -> {
                var out = new ByteArrayOutputStream();
                out.writeBytes(start);
                out.writeBytes(data);
                out.writeBytes((",\"S\":" + start.length + ",\"E\":" + (start.length + data.length) + "}").getBytes(StandardCharsets.UTF_8));
                return out.toByteArray();
            },
            got -> {
                JsonNode e = mapper.readTree(got);
                byte[] between = Arrays.copyOfRange(got, e.get("S").asInt(), e.get("E").asInt());
                return e.get("C").asText().equals("JT") && e.get("K").asText().equals(model)
                    && same(mapper.readTree(body), e.get("V")) && same(mapper.readTree(body), mapper.readTree(between));
            });
    }

    static Format withHeaders(String model, String body) {
        Map<String, String> headers = Map.of("__Q_ModelKey", model, "__Q_CodecId", "JT");
        return new Format(topic -> body.getBytes(StandardCharsets.UTF_8), headers, r -> {
            for (var h : headers.entrySet()) {
                var got = r.headers().lastHeader(h.getKey());
                if (got == null || !new String(got.value(), StandardCharsets.UTF_8).equals(h.getValue())) return false;
            }
            return same(mapper.readTree(body), mapper.readTree(r.value()));
        });
    }

    static Map<String, Format> formats() throws Exception {
        Map<String, Format> m = new HashMap<>();
        m.put("string", of(new StringSerializer(), new StringDeserializer(), "é日本"));
        m.put("latin1", of(configured(new StringSerializer(), "ISO-8859-1"), configured(new StringDeserializer(), "ISO-8859-1"), "é"));
        byte[] bytes = {0, (byte) 0xff};
        m.put("bytes", plain(() -> bytes, data -> Arrays.equals(bytes, data)));
        m.put("int", of(new IntegerSerializer(), new IntegerDeserializer(), -42));
        m.put("long", of(new LongSerializer(), new LongDeserializer(), 1L << 40));
        m.put("float", of(new FloatSerializer(), new FloatDeserializer(), 0.5f));
        m.put("double", of(new DoubleSerializer(), new DoubleDeserializer(), 123.123));
        m.put("boolean", of(new BooleanSerializer(), new BooleanDeserializer(), true));
        m.put("json", json());
        m.put("jsonschema-registry", jsonSchema());
        m.put("avro", avro());
        m.put("avro-registry", avroFramed());
        m.put("avro-generic", avroFramed());
        FileDescriptor file = protobufFile();
        Descriptor item = file.findMessageTypeByName("Item"), inner = file.findMessageTypeByName("Outer").findNestedTypeByName("Inner");
        m.put("protobuf", protobuf());
        m.put("protobuf-registry", protobufFramed(item, ITEM, 0)); // short for: one index, which is 0
        m.put("protobuf-nested", protobufFramed(inner, "{\"name\":\"é\"}", 4, 2, 2)); // 2 indexes, 1 and 1, in zigzag form
        m.put("protobuf-deprecated", protobufFramed(inner, "{\"name\":\"é\"}", 2, 1, 1)); // the same, as they were once written
        m.put("quix-timeseries", envelope("ParameterData", SERIES));
        m.put("quix-headers", withHeaders("TimeseriesData", SERIES));
        m.put("quix-events", envelope("EventData", EVENT));
        return m;
    }

    public static void main(String[] args) throws Exception {
        String mode = args[0], brokers = args[1], prefix = args[3];
        registry = args[2];
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
        Map<String, Format> formats = formats();
        Map<String, Object> config = Map.of("bootstrap.servers", brokers, "linger.ms", 5);
        try (var producer = new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer())) {
            var sent = new ArrayList<java.util.concurrent.Future<RecordMetadata>>();
            byte[] key = "java".getBytes(StandardCharsets.UTF_8);
            for (String name : counts.keySet()) {
                String topic = prefix + "in-" + name;
                var record = new ProducerRecord<>(topic, key, formats.get(name).writer().write(topic));
                formats.get(name).headers().forEach((k, v) -> record.headers().add(k, v.getBytes(StandardCharsets.UTF_8)));
                sent.add(producer.send(record));
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
                    } else if (!formats.get(name).reader().reads(r)) {
                        throw new RuntimeException(r.topic() + " of " + new String(r.key()) + ": " + HexFormat.of().formatHex(r.value()));
                    }
                }
            }
        }
    }
}
