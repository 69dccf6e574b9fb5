package runtime

import (
	"context"
	"errors"
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/engine/provision"
	"github.com/weirstreams/weir/kafka"
)

// Consumer returns a consumer with the settings of the App, for reading topics outside of the pipeline: see [kafka.NewConsumer].
// Its group must differ from Config.Group. Run need not run. The caller closes the consumer. The errors are those of
// [kafka.NewConsumer]; a wrong group is a weir.ErrConfiguration.
func (a *App) Consumer(ctx context.Context, options kafka.ConsumerOptions) (*kafka.Consumer, error) {
	if options.Group == a.config.Group {
		return nil, fmt.Errorf("consumer: %w: ConsumerOptions.Group is the group of the App, which shares its partitions among its members: give another group",
			weir.ErrConfiguration)
	}
	return kafka.NewConsumer(ctx, a.client(), options)
}

// Producer returns a producer with the settings of the App, for writing records outside of the pipeline: see
// [kafka.NewProducer]. It makes topics of the topology that do not exist first, if Config.Topics.Create is set. Run need not run.
// The caller closes the producer. The errors are those of [kafka.NewProducer], and weir.ErrTopicSettings or weir.ErrUnknownTopic if topics of
// the topology are missing or do not fit.
func (a *App) Producer(ctx context.Context, options kafka.ProducerOptions) (*kafka.Producer, error) {
	cluster, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	if err := a.awaitTopics(ctx); err != nil {
		return nil, errors.Join(err, cluster.Close())
	}
	_, err = provision.Prepare(ctx, cluster, a.plan, a.topicOptions())
	if err := errors.Join(err, cluster.Close()); err != nil {
		return nil, err
	}
	return kafka.NewProducer(ctx, a.client(), options)
}

// client returns the settings of the App for consumers and producers. They share the tokens of the App, so the connection comes as
// a function that applies all of it.
func (a *App) client() kafka.Config {
	return kafka.Config{
		Connection:         kafka.Connection{Brokers: a.config.Connection.Brokers, ClientID: a.plan.Group, Sarama: a.config.tune},
		Prefix:             a.config.Prefix,
		TopicName:          a.config.topicName,
		BrokerTimeout:      a.config.BrokerTimeout,
		OffsetReset:        a.config.Topics.OffsetReset,
		SessionTimeout:     a.config.Membership.SessionTimeout,
		RebalanceTimeout:   a.config.Membership.RebalanceTimeout,
		Compression:        a.config.Topics.Compression,
		TransactionTimeout: a.config.Checkpoint.TransactionTimeout,
		Logger:             a.config.Logger,
	}
}
