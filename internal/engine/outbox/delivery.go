package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/clock"
)

// Delivery hands the records of an outbox to the cluster. It owns the producer. Only the goroutine of the worker calls its methods.
//
// It promises that the cluster gets none of the records sent before a call of Replace after that call has returned, and that a transaction
// which was aborted never commits.
type Delivery struct {
	*Outbox
	config DeliveryConfig
	// sent is when output was handed to the producer last.
	sent time.Time
}

// DeliveryConfig configures a Delivery. All fields are set.
type DeliveryConfig struct {
	// NewProducer makes a producer to take the place of one that was fenced.
	NewProducer func() (broker.Producer, error)
	// OnReplaced is told of a producer that has taken the place of another one.
	OnReplaced func(broker.Producer)
	// Linger is how long output may wait for more while there is more to process.
	Linger time.Duration
	Clock  clock.Clock
	Logger *slog.Logger
}

// NewDelivery returns the delivery of an outbox, with the producer that the outbox has.
func NewDelivery(o *Outbox, config DeliveryConfig) *Delivery {
	return &Delivery{Outbox: o, config: config, sent: config.Clock.Now()}
}

// Producer returns the producer in use.
func (d *Delivery) Producer() broker.Producer { return d.producer }

// Send hands all records to the producer.
func (d *Delivery) Send(ctx context.Context) error {
	d.sent = d.config.Clock.Now()
	return d.SendAll(ctx)
}

// SendDue is Send if output has waited for as long as it may.
func (d *Delivery) SendDue(ctx context.Context) error {
	if d.config.Clock.Now().Sub(d.sent) < d.config.Linger {
		return nil
	}
	return d.Send(ctx)
}

// Flush hands all records to the producer, and waits until the cluster has acknowledged them.
func (d *Delivery) Flush(ctx context.Context) error {
	if err := d.Send(ctx); err != nil {
		return err
	}
	return d.producer.Flush(ctx)
}

// Abort ends the transaction. A producer that was fenced, or cannot abort, is replaced: the new one fences it.
func (d *Delivery) Abort(ctx context.Context, cause error) error {
	if errors.Is(cause, broker.ErrAborted) {
		err := d.producer.Abort(ctx)
		if err == nil {
			return nil
		}
		d.config.Logger.Warn("the transaction could not be aborted; the producer is replaced", "error", err)
	}
	return d.Replace(cause)
}

// Replace drops the producer with its records, because of an error, and makes another one.
func (d *Delivery) Replace(cause error) error {
	if err := d.producer.Close(); err != nil {
		d.config.Logger.Warn("closing the producer failed", "error", err)
	}
	producer, err := d.config.NewProducer()
	if err != nil {
		return fmt.Errorf("replace a producer: %w (after: %w)", err, cause)
	}
	d.use(producer)
	d.config.OnReplaced(producer)
	return nil
}

// Close closes the producer.
func (d *Delivery) Close() error { return d.producer.Close() }
