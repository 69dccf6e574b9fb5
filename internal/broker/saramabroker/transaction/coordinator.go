// Package transaction speaks to the coordinator of a transactional id, and to the coordinator of the group with the offsets of
// its transactions. It repeats requests after errors that may pass. Package produce decides about the partitions of a
// transaction, and about its end.
package transaction

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/conn"
	"github.com/weirstreams/weir/internal/broker/saramabroker/fault"
)

// Cluster is the part of a cluster that a Coordinator needs.
type Cluster interface {
	// ClientConfig returns a configuration of the client that dials by conns.
	ClientConfig(conns *conn.Set) *sarama.Config
	// Coordinator looks up the address of the coordinator of a group or of a transactional id.
	Coordinator(kind sarama.CoordinatorType, key string) (addr string, err error)
}

// Config configures a Coordinator.
type Config struct {
	// ID is the transactional id.
	ID string
	// Timeout is how long a transaction may stay open before the cluster aborts it.
	Timeout time.Duration
	// Unanswered is called for each request that may have been carried out although nobody said so. The cluster may act on it after
	// the try that was answered, in the next transaction: that one needs an epoch of its own.
	Unanswered func()
}

// Coordinator has the connections to both coordinators. A method that takes a context returns when its request is answered with
// something that another try would not change, or when the context ends.
type Coordinator struct {
	config       Config
	conns        *conn.Set
	transactions link // to the coordinator of the transactional id
	groups       link // to the coordinator of the group whose offsets are committed
	tries        sync.WaitGroup
}

// New returns a Coordinator, which connects with the first request.
func New(cluster Cluster, config Config) *Coordinator {
	c := &Coordinator{config: config, conns: conn.NewSet()}
	conf := cluster.ClientConfig(c.conns)
	c.transactions = link{cluster: cluster, conf: conf, kind: sarama.CoordinatorTransaction, key: config.ID}
	c.groups = link{cluster: cluster, conf: conf, kind: sarama.CoordinatorGroup}
	return c
}

// Identity is the identity of a producer.
type Identity struct {
	ID    int64
	Epoch int16
}

// Unknown is the identity of a producer that has none yet.
var Unknown = Identity{-1, -1}

// Initialise asks for an identity, which fences others with the same id: a new one, or the next epoch after a known one.
func (c *Coordinator) Initialise(ctx context.Context, known Identity) (Identity, error) {
	var response *sarama.InitProducerIDResponse
	_, err := c.ask(ctx, &c.transactions, func(b *sarama.Broker) error {
		r, err := b.InitProducerID(&sarama.InitProducerIDRequest{
			Version: 4, TransactionalID: &c.config.ID, TransactionTimeout: c.config.Timeout, ProducerID: known.ID, ProducerEpoch: known.Epoch,
		})
		if err != nil {
			return err
		}
		response = r
		return fault.Code(r.Err)
	})
	if err != nil {
		return Identity{}, err
	}
	return Identity{response.ProducerID, response.ProducerEpoch}, nil
}

// Sweep aborts a transaction that has nothing in it but a group. Offsets can stay pending when a transaction has ended while
// their partition had no leader (KAFKA-20734), and nobody gets the partitions that they are for until another transaction of
// this producer ends in the group.
func (c *Coordinator) Sweep(ctx context.Context, producer Identity, group string) error {
	err := c.addGroup(ctx, producer, group)
	if err == nil {
		_, err = c.End(ctx, producer, false)
	}
	if err != nil {
		return fmt.Errorf("drop pending offsets of group %q: %w", group, err)
	}
	return nil
}

// AddPartitions makes partitions part of the transaction. answered gets the errors of partitions of each try.
func (c *Coordinator) AddPartitions(ctx context.Context, producer Identity, tps []broker.TopicPartition, answered func(map[string][]*sarama.PartitionError)) error {
	partitions := make(map[string][]int32)
	for _, tp := range tps {
		partitions[tp.Topic] = append(partitions[tp.Topic], tp.Partition)
	}
	_, err := c.ask(ctx, &c.transactions, func(b *sarama.Broker) error {
		r, err := b.AddPartitionsToTxn(&sarama.AddPartitionsToTxnRequest{
			Version: 3, TransactionalID: c.config.ID, ProducerID: producer.ID, ProducerEpoch: producer.Epoch, TopicPartitions: partitions,
		})
		if err != nil {
			return err
		}
		answered(r.Errors)
		if tp, err := worstOf(r.Errors); err != nil {
			return &broker.DeliveryError{TopicPartition: tp, Err: fault.Translate(err)}
		}
		return nil
	})
	return err
}

// CommitOffsets adds offsets of a group to the transaction. known is called when the coordinator knows of the group.
func (c *Coordinator) CommitOffsets(
	ctx context.Context, producer Identity, member broker.GroupMember, offsets map[broker.TopicPartition]int64,
	details broker.CommitDetails, known func(),
) error {
	if err := c.addGroup(ctx, producer, member.Group); err != nil {
		return fmt.Errorf("group %q: %w", member.Group, err)
	}
	known()
	topics := make(map[string][]*sarama.PartitionOffsetMetadata)
	for tp, offset := range offsets {
		detail := details.Of(tp)
		block := &sarama.PartitionOffsetMetadata{Partition: tp.Partition, Offset: offset, LeaderEpoch: detail.LeaderEpoch}
		if detail.Metadata != "" {
			block.Metadata = &detail.Metadata
		}
		topics[tp.Topic] = append(topics[tp.Topic], block)
	}
	c.groups.of(member.Group)
	_, err := c.ask(ctx, &c.groups, func(b *sarama.Broker) error {
		request := &sarama.TxnOffsetCommitRequest{
			Version: 3, TransactionalID: c.config.ID, GroupID: member.Group, ProducerID: producer.ID, ProducerEpoch: producer.Epoch,
			GenerationID: member.Generation, MemberID: member.MemberID, Topics: topics,
		}
		if member.InstanceID != "" {
			request.GroupInstanceID = &member.InstanceID
		}
		r, err := b.TxnOffsetCommit(request)
		if err != nil {
			return err
		}
		if tp, err := worstOf(r.Topics); err != nil {
			return fmt.Errorf("offset of %s: %w", tp, err)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("group %q: %w", member.Group, err)
	}
	return nil
}

// addGroup makes the offsets of a group part of the transaction.
func (c *Coordinator) addGroup(ctx context.Context, producer Identity, group string) error {
	_, err := c.ask(ctx, &c.transactions, func(b *sarama.Broker) error {
		r, err := b.AddOffsetsToTxn(&sarama.AddOffsetsToTxnRequest{
			Version: 3, TransactionalID: c.config.ID, ProducerID: producer.ID, ProducerEpoch: producer.Epoch, GroupID: group,
		})
		if err != nil {
			return err
		}
		return fault.Code(r.Err)
	})
	return err
}

// End commits or aborts the transaction. It returns true if the fate of a sent request is not known.
func (c *Coordinator) End(ctx context.Context, producer Identity, commit bool) (lost bool, err error) {
	return c.ask(ctx, &c.transactions, func(b *sarama.Broker) error {
		r, err := b.EndTxn(&sarama.EndTxnRequest{
			Version: 3, TransactionalID: c.config.ID, ProducerID: producer.ID, ProducerEpoch: producer.Epoch, TransactionResult: commit,
		})
		if err != nil {
			return err
		}
		return fault.Code(r.Err)
	})
}

// Interrupt makes requests on their way fail. They are tried again.
func (c *Coordinator) Interrupt() { c.conns.Interrupt() }

// Shut makes requests on their way fail, and all later ones. It does not wait for them.
func (c *Coordinator) Shut() { c.conns.Close() }

// Close ends the connections. Requests fail from then on.
func (c *Coordinator) Close() {
	c.Shut()
	c.transactions.close()
	c.groups.close()
}

// Wait returns when no request is on its way any more. It comes after Close, when nothing calls another method.
func (c *Coordinator) Wait() { c.tries.Wait() }
