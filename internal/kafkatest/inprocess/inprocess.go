// Package inprocess starts kfake, a Kafka broker in this process, for tests, examples and the command weir. It works around faults of kfake
// that their readers would take for faults of Weir.
package inprocess

import (
	"fmt"
	"math"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstreams/weir/internal/kafkatest/heldclose"
)

// Start starts a cluster of one broker that listens on TCP; options may say otherwise. The caller closes it.
func Start(options ...kfake.Opt) (*kfake.Cluster, error) {
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.ListenFn(heldclose.Listen)}, options...)...)
	if err != nil {
		return nil, fmt.Errorf("start kfake: %w", err)
	}
	tellOfAborted(cluster)
	return cluster, nil
}

// tellOfAborted lifts the limit of the size of responses to fetches; those of their partitions remain. kfake forgets to
// tell of aborted transactions in the partition with which a response is full, so that readers take their records for
// committed ones.
func tellOfAborted(cluster *kfake.Cluster) {
	cluster.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		r.(*kmsg.FetchRequest).MaxBytes = math.MaxInt32
		return nil, nil, false
	})
}
