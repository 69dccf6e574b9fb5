package saramabroker_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/kafkatest"
)

func TestSettingsOfTopicsAreChangedAndOthersStay(t *testing.T) {
	k := kafkatest.Start(t)
	c := open(t, k)
	topic, absent := k.Topic(t, "topic", 1), k.Name("absent")
	set := func(settings map[string]string) error {
		return c.ConfigureTopics(within(t), map[string]map[string]string{topic: settings})
	}
	for _, settings := range []map[string]string{{"retention.ms": "5000", "max.message.bytes": "2000000"}, {"retention.ms": "-1"}} {
		if err := set(settings); err != nil {
			t.Fatal(err)
		}
	}
	var config map[string]string
	await := time.Now().Add(10 * time.Second)
	for config["retention.ms"] != "-1" && time.Now().Before(await) { // a broker hears of it after the controller
		infos, err := c.Topics(within(t), topic)
		if err != nil {
			t.Fatal(err)
		}
		config = infos[topic].Config
	}
	if config["retention.ms"] != "-1" || config["max.message.bytes"] != "2000000" {
		t.Errorf("got %v", config)
	}
	err := c.ConfigureTopics(within(t), map[string]map[string]string{absent: {"retention.ms": "1"}})
	if !errors.Is(err, broker.ErrUnknownTopic) {
		t.Errorf("of a topic that is absent: %v", err)
	}
}

func TestRecordsArePurgedBeforeAnOffset(t *testing.T) {
	k := kafkatest.Start(t)
	c := open(t, k)
	topic := k.Topic(t, "topic", 2)
	first, second := broker.TopicPartition{Topic: topic}, broker.TopicPartition{Topic: topic, Partition: 1}
	p := newProducer(t, c, broker.ProducerConfig{})
	for _, tp := range []broker.TopicPartition{first, second} {
		send(t, p, tp, numbered(0, 10)...)
	}
	if err := p.Flush(within(t)); err != nil {
		t.Fatal(err)
	}
	for range 2 { // what is gone is no error
		if err := c.PurgeRecords(within(t), map[broker.TopicPartition]int64{first: 5, second: 10}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := c.Offsets(within(t), broker.Earliest, first, second)
	if err != nil || got[first] != 5 || got[second] != 10 {
		t.Errorf("the partitions begin at %v (%v)", got, err)
	}
	absent := broker.TopicPartition{Topic: topic, Partition: 7}
	err = c.PurgeRecords(within(t), map[broker.TopicPartition]int64{first: 6, absent: 1})
	if !errors.Is(err, broker.ErrUnknownTopic) {
		t.Errorf("of a partition that is absent: %v", err)
	}
	if got, err = c.Offsets(within(t), broker.Earliest, first); err != nil || got[first] != 6 {
		t.Errorf("the partition begins at %v (%v)", got, err)
	}
}

// The cluster refuses records for good: that is told from what passes, and a transaction is aborted then.
func TestRefusedRecordsAreToldFromFailures(t *testing.T) {
	k := kafkatest.Start(t)
	c := open(t, k)
	now := time.Now().UnixMilli()
	for _, test := range []struct {
		name, setting, value string
		record               broker.Record
		realOnly             bool
	}{
		{"too large", "max.message.bytes", "1000", broker.Record{Key: []byte("k"), Value: make([]byte, 2000), Millis: now}, false},
		{"from the future", "message.timestamp.after.max.ms", "60000", broker.Record{Key: []byte("k"), Millis: now + 3_600_000}, true},
		{"without a key", "cleanup.policy", "compact", broker.Record{Value: []byte("v"), Millis: now}, true},
	} {
		for _, transactional := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, transactional %v", test.name, transactional), func(t *testing.T) {
				if test.realOnly && !k.Real() {
					t.Skip("the broker for tests takes it")
				}
				topic := k.Name("picky")
				err := c.CreateTopics(within(t), broker.TopicSpec{
					Name: topic, Partitions: 1, Replication: -1, Config: map[string]string{test.setting: test.value},
				})
				if err != nil {
					t.Fatal(err)
				}
				config := broker.ProducerConfig{}
				if transactional {
					config.TransactionalID = k.Name("picky")
				}
				p := newProducer(t, c, config)
				tp := broker.TopicPartition{Topic: topic}
				err = p.Send(within(t), tp, []broker.Record{{Key: []byte("good"), Millis: now}, test.record})
				if err == nil {
					err = p.Flush(within(t))
				}
				failed, ok := errors.AsType[*broker.DeliveryError](err)
				if !ok || failed.TopicPartition != tp || !errors.Is(err, broker.ErrRefused) || errors.Is(err, broker.ErrAborted) != transactional {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}
