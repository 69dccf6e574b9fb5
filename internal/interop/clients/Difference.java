import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.*;
import java.util.*;
import org.apache.avro.*;
import org.apache.avro.data.TimeConversions;
import org.apache.avro.generic.*;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;

/**
 * Apache's side of the comparison of Avro codecs: internal/interop/avro describes the cases, which come one in a line of standard
 * input. An answer to each goes to standard output.
 */
public class Difference {
    static final ObjectMapper mapper = new ObjectMapper();
    static final JsonNodeFactory json = JsonNodeFactory.instance;
    static final GenericData data = new GenericData(), plain = new GenericData();

    static {
        data.addLogicalTypeConversion(new Conversions.DecimalConversion());
        data.addLogicalTypeConversion(new TimeConversions.DateConversion());
        data.addLogicalTypeConversion(new TimeConversions.TimeMillisConversion());
        data.addLogicalTypeConversion(new TimeConversions.TimeMicrosConversion());
        data.addLogicalTypeConversion(new TimeConversions.TimestampMillisConversion());
        data.addLogicalTypeConversion(new TimeConversions.TimestampMicrosConversion());
        data.addLogicalTypeConversion(new TimeConversions.LocalTimestampMillisConversion());
        data.addLogicalTypeConversion(new TimeConversions.LocalTimestampMicrosConversion());
    }

    static String logical(Schema s) { return s.getLogicalType() == null ? "" : s.getLogicalType().getName(); }

    /** Turns a value of a case into one that Avro writes. */
    static Object value(Schema s, JsonNode v) {
        switch (logical(s)) {
            case "decimal": return new BigDecimal(v.asText());
            case "date": return LocalDate.ofInstant(Instant.parse(v.asText()), ZoneOffset.UTC);
            case "time-millis", "time-micros": return LocalTime.ofNanoOfDay(v.asLong());
            case "timestamp-millis", "timestamp-micros": return Instant.parse(v.asText());
            case "local-timestamp-millis", "local-timestamp-micros": return LocalDateTime.ofInstant(Instant.parse(v.asText()), ZoneOffset.UTC);
        }
        switch (s.getType()) {
            case NULL: return null;
            case BOOLEAN: return v.asBoolean();
            case INT: return v.asInt();
            case LONG: return v.asLong();
            case FLOAT: return Float.intBitsToFloat((int) v.asLong());
            case DOUBLE: return Double.longBitsToDouble(Long.parseUnsignedLong(v.asText(), 16));
            case STRING: return v.asText();
            case BYTES: return ByteBuffer.wrap(HexFormat.of().parseHex(v.asText()));
            case FIXED: return new GenericData.Fixed(s, HexFormat.of().parseHex(v.asText()));
            case ENUM: return new GenericData.EnumSymbol(s, v.asText());
            case UNION: return value(s.getTypes().get(v.get(0).asInt()), v.get(1));
            case ARRAY: {
                var out = new ArrayList<Object>();
                for (JsonNode item : v) out.add(value(s.getElementType(), item));
                return out;
            }
            case MAP: {
                var out = new HashMap<String, Object>();
                for (var entry : v.properties()) out.put(entry.getKey(), value(s.getValueType(), entry.getValue()));
                return out;
            }
            case RECORD: {
                var out = new GenericData.Record(s);
                for (var f : s.getFields()) out.put(f.pos(), value(f.schema(), v.get(f.name())));
                return out;
            }
        }
        throw new IllegalStateException(s.toString());
    }

    static JsonNode time(Instant at) { return json.textNode("T" + at.getEpochSecond() + "." + at.getNano()); }

    /**
     * Shows a value that Avro has read without logical types. With them, it cannot read a union as a type that is none, and
     * takes some default values for values of the type below.
     */
    static JsonNode show(Schema s, Object v) {
        if (v == null) return json.nullNode();
        if (s.getType() == Schema.Type.UNION) {
            Schema branch = s.getTypes().get(plain.resolveUnion(s, v));
            return json.objectNode().set(branch.getFullName(), show(branch, v));
        }
        LogicalType logical = s.getLogicalType();
        Conversion<?> conversion = data.getConversionFor(logical);
        if (conversion != null) v = Conversions.convertToLogicalType(v, s, logical, conversion);
        if (v instanceof BigDecimal d) {
            BigInteger gcd = d.unscaledValue().gcd(BigInteger.TEN.pow(d.scale())), below = BigInteger.TEN.pow(d.scale()).divide(gcd);
            return json.textNode("R" + d.unscaledValue().divide(gcd) + (below.equals(BigInteger.ONE) ? "" : "/" + below));
        }
        if (v instanceof LocalDate d) return time(d.atStartOfDay(ZoneOffset.UTC).toInstant());
        if (v instanceof Instant at) return time(at);
        if (v instanceof LocalDateTime at) return time(at.toInstant(ZoneOffset.UTC));
        if (v instanceof LocalTime t) return json.textNode("P" + t.toNanoOfDay());
        switch (s.getType()) {
            case BOOLEAN: return json.booleanNode((Boolean) v);
            case INT: return json.textNode("i" + (Integer) v);
            case LONG: return json.textNode("l" + (Long) v);
            case FLOAT: return json.textNode("f" + Integer.toHexString(Float.floatToRawIntBits((Float) v)));
            case DOUBLE: return json.textNode("d" + Long.toHexString(Double.doubleToRawLongBits((Double) v)));
            case STRING, ENUM: return json.textNode("s" + v);
            case BYTES: {
                ByteBuffer b = ((ByteBuffer) v).duplicate();
                byte[] bytes = new byte[b.remaining()];
                b.get(bytes);
                return json.textNode("b" + HexFormat.of().formatHex(bytes));
            }
            case FIXED: return json.textNode("b" + HexFormat.of().formatHex(((GenericFixed) v).bytes()));
            case ARRAY: {
                ArrayNode out = json.arrayNode();
                for (Object item : (Collection<?>) v) out.add(show(s.getElementType(), item));
                return out;
            }
            case MAP: {
                ObjectNode out = json.objectNode();
                ((Map<?, ?>) v).forEach((k, item) -> out.set(k.toString(), show(s.getValueType(), item)));
                return out;
            }
            case RECORD: {
                ObjectNode out = json.objectNode();
                for (var f : s.getFields()) out.set(f.name(), show(f.schema(), ((GenericRecord) v).get(f.pos())));
                return out;
            }
        }
        throw new IllegalStateException(s.toString());
    }

    static byte[] write(Schema s, JsonNode v) throws Exception {
        var out = new ByteArrayOutputStream();
        var encoder = EncoderFactory.get().binaryEncoder(out, null);
        new GenericDatumWriter<Object>(s, data).write(value(s, v), encoder);
        encoder.flush();
        return out.toByteArray();
    }

    static JsonNode read(Schema writer, Schema reader, byte[] bytes) throws Exception {
        var decoder = DecoderFactory.get().binaryDecoder(bytes, null);
        Object v = new GenericDatumReader<Object>(writer, reader, plain).read(null, decoder);
        if (!decoder.isEnd()) throw new IllegalStateException("bytes are left");
        return show(reader, v);
    }

    interface Result { JsonNode get() throws Exception; }

    /** Puts a result into the answer, or why there is none. */
    static void put(ObjectNode answer, String name, Result result) {
        try {
            answer.set(name, result.get());
        } catch (Exception e) {
            answer.put(name + "Error", e.toString());
        }
    }

    static JsonNode hex(byte[] b) { return json.textNode(HexFormat.of().formatHex(b)); }

    public static void main(String[] args) throws Exception {
        var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        var out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        for (String line; (line = in.readLine()) != null; ) {
            JsonNode c = mapper.readTree(line);
            ObjectNode answer = json.objectNode();
            put(answer, "schemas", () -> {
                Schema reader = new Schema.Parser().parse(c.get("reader").toString()), writer = new Schema.Parser().parse(c.get("writer").toString());
                answer.put("compatible", SchemaCompatibility.checkReaderWriterCompatibility(reader, writer).getType()
                    == SchemaCompatibility.SchemaCompatibilityType.COMPATIBLE);
                put(answer, "bytes", () -> hex(write(reader, c.get("value"))));
                put(answer, "writerBytes", () -> hex(write(writer, c.get("writerValue"))));
                for (String name : List.of("typed", "generic", "writerGeneric")) {
                    if (!c.has(name)) continue;
                    Schema s = name.equals("writerGeneric") ? writer : reader;
                    put(answer, name, () -> read(s, s, HexFormat.of().parseHex(c.get(name).asText())));
                }
                if (answer.has("bytes")) put(answer, "read", () -> read(reader, reader, HexFormat.of().parseHex(answer.get("bytes").asText())));
                if (answer.has("writerBytes")) {
                    byte[] bytes = HexFormat.of().parseHex(answer.get("writerBytes").asText());
                    put(answer, "writerRead", () -> read(writer, writer, bytes));
                    put(answer, "resolved", () -> read(writer, reader, bytes));
                }
                return json.booleanNode(true);
            });
            out.println(answer);
        }
        out.flush();
    }
}
