package kafka_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	"github.com/weirstreams/weir/internal/murmur2"
	"github.com/weirstreams/weir/sink"
	sinkkafka "github.com/weirstreams/weir/sink/kafka"
)

func TestRecordsKeepKeyValueHeadersAndTime(t *testing.T) {
	k, c := brokertest.Start(t)
	now := brokertest.Now
	header := weir.Header{Key: "h", Value: []byte("1")}
	origin := func(offset string) []weir.Header {
		return []weir.Header{
			{Key: sinkkafka.HeaderTopic, Value: []byte("input")},
			{Key: sinkkafka.HeaderPartition, Value: []byte("2")},
			{Key: sinkkafka.HeaderOffset, Value: []byte(offset)},
		}
	}
	byKey := murmur2.Partition([]byte("k"), 4)
	for name, x := range map[string]struct {
		options
		want []entry
	}{
		"by default, to the partition of the key": {options{}, []entry{
			{byKey, p("k"), p("v"), now - 5, []weir.Header{header}},
			{byKey, p("k"), nil, now - 4, nil},
		}},
		"to the partition of the task": {options{KeepPartitions: true}, []entry{
			{2, p("k"), p("v"), now - 5, []weir.Header{header}},
			{2, p("k"), nil, now - 4, nil},
		}},
		"with the headers of the origin": {options{OriginHeaders: true, KeepPartitions: true}, []entry{
			{2, p("k"), p("v"), now - 5, append([]weir.Header{header}, origin("0")...)},
			{2, p("k"), nil, now - 4, origin("1")},
		}},
		"without headers, in zstd": {options{DropHeaders: true, Compression: "zstd", KeepPartitions: true}, []entry{
			{2, p("k"), p("v"), now - 5, nil},
			{2, p("k"), nil, now - 4, nil},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			topic := k.Topic(t, "there", 4)
			o := x.options
			o.Connection = connection(k)
			w := writerOf(t, connect(t, topic, o), 2)
			add(t, w, 2, record{Key: p("k"), Value: p("v"), Millis: now - 5, Headers: []weir.Header{header}}, record{Key: p("k"), Millis: now - 4})
			flush(t, w)
			if diff := cmp.Diff(x.want, read(t, c, topic)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRecordsHaveTheTimeOfTheirArrivalOnRequest(t *testing.T) {
	k, c := brokertest.Start(t)
	topic := k.Topic(t, "there", 1)
	w := writerOf(t, connect(t, topic, options{Connection: connection(k), ArrivalTime: true}), 0)
	began := time.Now().UnixMilli()
	add(t, w, 0, record{Key: p("k"), Value: p("v"), Millis: 5})
	flush(t, w)
	if got := read(t, c, topic); len(got) != 1 || got[0].Millis < began {
		t.Errorf("the records are %+v", got)
	}
}

func TestARecordThatTheClusterRefusesIsFoundAmongOthers(t *testing.T) {
	k, c := brokertest.Start(t)
	topic := k.Topic(t, "there", 1)
	w := writerOf(t, connect(t, topic, options{Connection: connection(k), Compression: "gzip"}), 0)
	noise := make([]byte, 3<<20) // which compression does not make small enough
	for i := range noise {
		noise[i] = byte('!' + rand.N(90))
	}
	add(t, w, 0,
		record{Key: p("k"), Value: p("a"), Millis: brokertest.Now}, record{Key: p("k"), Value: p("b"), Millis: brokertest.Now},
		record{Key: p("k"), Value: p(string(noise)), Millis: brokertest.Now}, record{Key: p("k"), Value: p("c"), Millis: brokertest.Now},
		record{Key: p("k"), Value: p(strings.Repeat("compressible ", 200_000)), Millis: brokertest.Now})
	err := w.Flush(brokertest.Within(t), sink.Checkpoint{ID: 1})
	refused, ok := errors.AsType[sink.RecordErrors](err)
	if !ok || len(refused) != 1 || refused[0].Origin.Offset != 2 || !errors.Is(err, broker.ErrRefused) {
		t.Fatalf("the error is: %v", err)
	}
	flush(t, w)
	// Records in front of the refused one may be there twice, in order.
	got := values(read(t, c, topic))
	var last []string
	for _, v := range got {
		if len(v) > 10 {
			v = v[:12]
		}
		last = append(last, v)
	}
	if diff := cmp.Diff([]string{"a", "b", "c", "compressible"}, last[max(0, len(last)-4):]); diff != "" {
		t.Error(diff)
	}
	if w.Full() {
		t.Error("the writer is full")
	}
}

func TestRecordsThatTheClusterWouldRefuseAreErrorsOfAdd(t *testing.T) {
	k, c := brokertest.Start(t)
	topic := k.Name("compacted")
	o := options{Connection: connection(k), Create: &sinkkafka.NewTopic{
		Partitions: 2, Config: map[string]string{"cleanup.policy": "compact", "max.message.bytes": "5000"},
	}}
	w := writerOf(t, connect(t, topic, o), 0)
	infos, err := c.Topics(brokertest.Within(t), topic)
	if err != nil {
		t.Fatal(err)
	}
	if info := infos[topic]; info.Partitions != 2 || info.Config["max.message.bytes"] != "5000" {
		t.Errorf("the topic is %+v", info)
	}
	for text, r := range map[string]record{
		"no key":      {Value: p("v"), Millis: 1},
		"5001 bytes":  {Key: p("k"), Value: p(strings.Repeat("v", 5000)), Millis: 1},
		"before 1970": {Key: p("k"), Millis: -1},
	} {
		if refused := refusedBy(t, w, r); refused.Topic != topic || !strings.Contains(refused.Error(), text) {
			t.Errorf("the error is: %v", refused)
		}
	}
	flush(t, w)
	if got := read(t, c, topic); len(got) > 0 {
		t.Errorf("there are %d records", len(got))
	}
}

func TestAnOutageHoldsInputBackAndLosesNothing(t *testing.T) {
	k, c := brokertest.Start(t)
	proxy := k.StartProxy(t)
	topic := k.Topic(t, "there", 1)
	o := options{Connection: connection(k), Timeout: 300 * time.Millisecond, OutageWait: 7 * time.Second}
	o.Connection.Sarama = proxy.Detour().Take
	w := writerOf(t, connect(t, topic, o), 0)
	add(t, w, 0, record{Key: p("k"), Value: p("0"), Millis: brokertest.Now})
	flush(t, w) // the producer knows the topic
	proxy.Block(true)
	add(t, w, 0, record{Key: p("k"), Value: p("a"), Millis: brokertest.Now}, record{Key: p("k"), Value: p("b"), Millis: brokertest.Now})
	err := w.Flush(brokertest.Within(t), sink.Checkpoint{ID: 1})
	later, ok := errors.AsType[*weir.RetryLaterError](err)
	if !ok || later.RetryAfter != o.OutageWait || !errors.Is(err, weir.ErrUnavailable) {
		t.Fatalf("the error is: %v", err)
	}
	proxy.Block(false)
	brokertest.Await(t, "the records are written", func() bool { return w.Flush(brokertest.Within(t), sink.Checkpoint{ID: 2}) == nil })
	if diff := cmp.Diff([]string{"0", "a", "b"}, values(read(t, c, topic))); diff != "" {
		t.Error(diff)
	}
}

func TestAWrongTargetIsAnErrorWithARemedy(t *testing.T) {
	k, _ := brokertest.Start(t)
	missing := k.Name("missing")
	for name, x := range map[string]struct {
		topic string
		options
		want error
		text string
	}{
		"no topic":         {missing, options{}, weir.ErrUnknownTopic, "set Options.Create"},
		"no name":          {"", options{}, weir.ErrConfiguration, "no name"},
		"wrong compressor": {missing, options{Compression: "rar"}, weir.ErrConfiguration, `"rar"`},
		"no partitions":    {missing, options{Create: &sinkkafka.NewTopic{}}, weir.ErrConfiguration, "Options.Create.Partitions"},
	} {
		t.Run(name, func(t *testing.T) {
			o := x.options
			o.Connection = connection(k)
			err := sinkkafka.New(texts(x.topic), o).Connect(brokertest.Within(t))
			if !errors.Is(err, x.want) || !strings.Contains(err.Error(), x.text) {
				t.Errorf("the error is: %v", err)
			}
		})
	}
	to := connect(t, k.Topic(t, "narrow", 2), options{Connection: connection(k), KeepPartitions: true})
	writerOf(t, to, 1)
	_, err := to.Writer(t.Context(), sink.Task{Partition: 2})
	if !errors.Is(err, weir.ErrTopicSettings) || !strings.Contains(err.Error(), "give the topic 3 partitions") {
		t.Errorf("the error is: %v", err)
	}
}
