package transaction_test

import (
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	"github.com/weirstreams/weir/internal/kafkatest"
)

// A producer ends a transaction in its group before it begins to work: that ends what its id has left pending there, even
// if the cluster has lost track of it.
func TestATransactionalProducerSweepsItsGroup(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	if k.Real() {
		t.Skip("looks at requests, which takes kfake")
	}
	group, topic := k.Name("group"), k.Topic(t, "swept", 1)
	var mu sync.Mutex
	var seen []string
	note := func(s string) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, s)
	}
	k.Cluster().ControlKey(int16(kmsg.AddOffsetsToTxn), func(r kmsg.Request) (kmsg.Response, error, bool) {
		k.Cluster().KeepControl()
		note("add offsets of " + r.(*kmsg.AddOffsetsToTxnRequest).Group)
		return nil, nil, false
	})
	k.Cluster().ControlKey(int16(kmsg.EndTxn), func(r kmsg.Request) (kmsg.Response, error, bool) {
		k.Cluster().KeepControl()
		if r.(*kmsg.EndTxnRequest).Commit {
			note("commit")
		} else {
			note("abort")
		}
		return nil, nil, false
	})
	k.Cluster().ControlKey(int16(kmsg.AddPartitionsToTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
		k.Cluster().KeepControl()
		note("add partitions")
		return nil, nil, false
	})
	p, err := brokertest.Open(t, k).NewProducer(broker.ProducerConfig{TransactionalID: k.Name("id"), Group: group})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Send(brokertest.Within(t), broker.TopicPartition{Topic: topic}, []broker.Record{{Value: []byte("x"), Millis: 1}}); err != nil {
		t.Fatal(err)
	}
	if err := p.Commit(brokertest.Within(t), broker.GroupMember{}, nil, nil); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff([]string{"add offsets of " + group, "abort", "add partitions", "commit"}, seen); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}
