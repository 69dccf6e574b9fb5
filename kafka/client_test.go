package kafka_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/murmur2"
	"github.com/weirstreams/weir/kafka"
)

func TestAPrefixIsPutBeforeTopicsAndGroups(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	full := k.Topic(t, "in", 2)
	prefix, name := full[:1], full[1:]
	ctx := within(t)
	plain := kafka.Config{Connection: kafka.Connection{Brokers: k.Brokers}, Logger: logger(t)}
	prefixed := plain
	prefixed.Prefix = prefix

	p, err := kafka.NewProducer(ctx, prefixed, kafka.ProducerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.Send(ctx, texts(name), text("one"), text("two")), p.Flush(ctx), p.Close()); err != nil {
		t.Fatal(err)
	}

	group := k.Name("readers")
	c, err := kafka.NewConsumer(ctx, prefixed, kafka.ConsumerOptions{Topics: []string{name}, Group: group})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for len(got) < 2 {
		m, err := c.Poll(ctx, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if m == nil {
			continue
		}
		var r weir.Record[string, string]
		if r, err = kafka.Decode(texts(name), m); err != nil {
			t.Fatal(err)
		}
		got[r.Value] = m.Topic
	}
	if err := c.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"one": name, "two": name}, got); diff != "" {
		t.Errorf("values and topics (-want +got):\n%s", diff)
	}

	// The group with the prefix has committed both records: with OffsetReset Earliest only a third one is left.
	p, err = kafka.NewProducer(ctx, plain, kafka.ProducerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.Send(ctx, texts(full), text("three")), p.Flush(ctx), p.Close()); err != nil {
		t.Fatal(err)
	}
	values, err := read(t, plain, kafka.ConsumerOptions{Topics: []string{full}, Group: prefix + group}, 1)
	if err != nil || values[0] != "three" {
		t.Errorf("read %q, %v", values, err)
	}
}

func TestTopicsHaveTheNamesOfAPlatform(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	id, group, ctx := k.Topic(t, "id", 1), k.Name("group"), within(t)
	config := kafka.Config{Connection: kafka.Connection{Brokers: k.Brokers}, Prefix: "p-", Logger: logger(t)}
	config.TopicName = func(topic string) string {
		if topic == "orders" {
			return id
		}
		return topic
	}
	p, err := kafka.NewProducer(ctx, config, kafka.ProducerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m := &kafka.Message{Origin: weir.Origin{Topic: id}, Key: []byte("k"), Value: []byte("by id")}
	if err := errors.Join(p.Send(ctx, texts("orders"), text("by name")), p.SendMessage(ctx, m), p.Flush(ctx), p.Close()); err != nil {
		t.Fatal(err)
	}
	c, err := kafka.NewConsumer(ctx, config, kafka.ConsumerOptions{Topics: []string{"orders"}, Group: group})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"by name", "by id"} {
		m, err := c.Poll(ctx, patience)
		if err != nil || m == nil || m.Topic != "orders" || string(m.Value) != want {
			t.Fatalf("got %+v, %v, want %q of orders", m, err, want)
		}
	}
	if err := c.Close(ctx); err != nil {
		t.Fatal(err)
	}
	// The group still has the prefix: nothing is left for it.
	plain := kafka.Config{Connection: config.Connection, Logger: logger(t)}
	if p, err = kafka.NewProducer(ctx, plain, kafka.ProducerOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.Send(ctx, texts(id), text("last")), p.Flush(ctx), p.Close()); err != nil {
		t.Fatal(err)
	}
	values, err := read(t, plain, kafka.ConsumerOptions{Topics: []string{id}, Group: "p-" + group}, 1)
	if err != nil || values[0] != "last" {
		t.Errorf("read %q, %v", values, err)
	}
}

func TestNoResetIsAnErrorOfAConsumerWithoutCommittedOffsets(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	topic, group := k.Topic(t, "in", 1), k.Name("group")
	config := kafka.Config{Connection: kafka.Connection{Brokers: k.Brokers}, Logger: logger(t), OffsetReset: kafka.NoReset}
	_, err := read(t, config, kafka.ConsumerOptions{Topics: []string{topic}, Group: group}, 1)
	if !errors.Is(err, weir.ErrNoOffset) || !strings.Contains(err.Error(), group) || !strings.Contains(err.Error(), topic) {
		t.Errorf("got %v, which does not name group and topic", err)
	}
}

func admin(t *testing.T, k *kafkatest.Kafka) sarama.ClusterAdmin {
	t.Helper()
	config := sarama.NewConfig()
	config.Version = sarama.V2_8_0_0
	a, err := sarama.NewClusterAdmin(k.Brokers, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

func TestRecordsWithoutATimeGetThePresentOne(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	topic := k.Topic(t, "in", 1)
	ctx := within(t)
	config := kafka.Config{Connection: kafka.Connection{Brokers: k.Brokers}, Logger: logger(t)}
	p, err := kafka.NewProducer(ctx, config, kafka.ProducerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now().Truncate(time.Millisecond)
	kept := began.Add(-time.Hour)
	message := &kafka.Message{Value: []byte("message")}
	message.Topic = topic
	if err := errors.Join(
		p.Send(ctx, texts(topic), weir.Record[string, string]{Value: "record"}), p.SendMessage(ctx, message),
		p.Send(ctx, texts(topic), weir.Record[string, string]{Value: "kept", Millis: kept.UnixMilli()}), p.Flush(ctx), p.Close(),
	); err != nil {
		t.Fatal(err)
	}
	c, err := kafka.NewConsumer(ctx, config, kafka.ConsumerOptions{Topics: []string{topic}, Group: k.Name("readers")})
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < 3; {
		m, err := c.Poll(ctx, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if m == nil {
			continue
		}
		n++
		if now := !m.Time.Before(began) && !m.Time.After(time.Now()); now == (string(m.Value) == "kept") || !now && !m.Time.Equal(kept) {
			t.Errorf("%q has the time %v", m.Value, m.Time)
		}
	}
	if err := c.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestARecordThatTheClusterRefusesIsAProduceError(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	topic := k.Name("small")
	err := admin(t, k).CreateTopic(topic, &sarama.TopicDetail{
		NumPartitions: 1, ReplicationFactor: 1, ConfigEntries: map[string]*string{"max.message.bytes": new("1000")},
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	k.AwaitLeaders(t, topic, 1)
	config := kafka.Config{Connection: kafka.Connection{Brokers: k.Brokers}, Logger: logger(t)}
	p, err := kafka.NewProducer(within(t), config, kafka.ProducerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(p.Send(within(t), texts(topic), text(strings.Repeat("x", 2000))), p.Flush(within(t)))
	if refused, ok := errors.AsType[*weir.ProduceError](err); !ok || refused.Topic != topic || refused.Partition != 0 {
		t.Errorf("got %v, want a ProduceError of the topic", err)
	}
	_ = p.Close()
}

func TestAConsumerSaysThatItsInputIsLost(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	topic, group := k.Topic(t, "in", 1), k.Name("group")
	config := kafka.Config{Connection: kafka.Connection{Brokers: k.Brokers}, Logger: logger(t)}
	send := func(values ...string) {
		p, err := kafka.NewProducer(within(t), config, kafka.ProducerOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			err = errors.Join(err, p.Send(within(t), texts(topic), text(v)))
		}
		if err := errors.Join(err, p.Flush(within(t)), p.Close()); err != nil {
			t.Fatal(err)
		}
	}
	options := kafka.ConsumerOptions{Topics: []string{topic}, Group: group}
	send("one", "two", "three")
	if _, err := read(t, config, options, 1); err != nil {
		t.Fatal(err)
	}
	if err := admin(t, k).DeleteRecords(topic, map[int32]int64{0: 3}); err != nil {
		t.Fatal(err)
	}
	if _, err := read(t, config, options, 1); !errors.Is(err, weir.ErrLostInput) {
		t.Errorf("got %v, want lost input", err)
	}
}

func TestATransactionNeedsATransactionalID(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	p, err := kafka.NewProducer(within(t), kafka.Config{Connection: kafka.Connection{Brokers: k.Brokers}, Logger: logger(t)}, kafka.ProducerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{p.Commit(within(t)), p.Abort(within(t))} {
		if !errors.Is(err, weir.ErrConfiguration) {
			t.Errorf("got %v, want a mistake of the configuration", err)
		}
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

func TestAllThatIsWrongWithAConfigurationOfAClientIsSaidAtOnce(t *testing.T) {
	config := kafka.Config{
		Connection: kafka.Connection{SecurityProtocol: "tls"}, Prefix: "a b", OffsetReset: 7, Compression: "zip",
		SessionTimeout: -1, RebalanceTimeout: -1, TransactionTimeout: -1,
	}
	_, producer := kafka.NewProducer(t.Context(), config, kafka.ProducerOptions{})
	_, consumer := kafka.NewConsumer(t.Context(), config, kafka.ConsumerOptions{Topics: []string{"in"}, Group: "g"})
	for client, err := range map[string]error{"producer": producer, "consumer": consumer} {
		for _, want := range []string{
			client + ": config: ", "Brokers", `Prefix "a b"`, "OffsetReset: unknown value 7", `Compression: unknown value "zip"`,
			"SessionTimeout is negative", "RebalanceTimeout is negative", "TransactionTimeout is negative", "SecurityProtocol: unknown value",
		} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q is not in %v", client, want, err)
			}
		}
	}
	if _, err := kafka.NewConsumer(t.Context(), kafka.Config{}, kafka.ConsumerOptions{Group: "g"}); err == nil || !strings.Contains(err.Error(), "Topics") {
		t.Errorf("a consumer without topics: %v", err)
	}
}

func TestAClientWaitsForABrokerAsLongAsBrokerTimeoutAllows(t *testing.T) {
	kafkatest.Parallel(t)
	config := kafka.Config{
		Connection: kafka.Connection{Brokers: []string{"127.0.0.1:1"}}, BrokerTimeout: 50 * time.Millisecond, Logger: logger(t),
	}
	_, producer := kafka.NewProducer(within(t), config, kafka.ProducerOptions{})
	_, consumer := kafka.NewConsumer(within(t), config, kafka.ConsumerOptions{Topics: []string{"in"}, Group: "g"})
	for _, err := range []error{producer, consumer} {
		if !errors.Is(err, weir.ErrUnavailable) || !strings.Contains(err.Error(), "Config.BrokerTimeout (50ms)") {
			t.Errorf("got %v, want unavailable and the option", err)
		}
	}
}

// A partition that is added to a topic that the group knows is read from its beginning, also with OffsetReset Latest.
func TestAConsumerReadsAddedPartitionsFromTheirBeginning(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	ctx := within(t)
	topic := k.Topic(t, "grows", 1)
	config := kafka.Config{Connection: kafka.Connection{Brokers: k.Brokers}, Logger: logger(t), OffsetReset: kafka.Latest}
	write := func(r weir.Record[string, string]) {
		t.Helper()
		p, err := kafka.NewProducer(ctx, config, kafka.ProducerOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(p.Send(ctx, texts(topic), r), p.Flush(ctx), p.Close()); err != nil {
			t.Fatal(err)
		}
	}
	// first returns the value of the first record that a member reads. It calls wait as long as there is none.
	group := k.Name("latest")
	first := func(wait func()) string {
		t.Helper()
		c, err := kafka.NewConsumer(ctx, config, kafka.ConsumerOptions{Group: group, Topics: []string{topic}})
		if err != nil {
			t.Fatal(err)
		}
		for {
			m, err := c.Poll(ctx, 100*time.Millisecond)
			switch {
			case err != nil:
				t.Fatal(err)
			case m == nil:
				wait()
			default:
				if err := c.Close(ctx); err != nil {
					t.Fatal(err)
				}
				return string(m.Value)
			}
		}
	}
	write(text("before the group"))
	if got := first(func() { write(text("after it")) }); got != "after it" {
		t.Fatalf("the group began with %q", got)
	}
	k.Grow(t, topic, 2)
	added := text("added")
	for added.Key = "k"; murmur2.Partition([]byte(added.Key), 2) != 1; {
		added.Key += "k"
	}
	write(added)
	for got := ""; got != "added"; {
		if got = first(func() {}); got != "added" && got != "after it" {
			t.Fatalf("read %q, want the record of the added partition", got)
		}
	}
}
