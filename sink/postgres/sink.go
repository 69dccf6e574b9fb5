package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/background"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/sink"
)

// New returns a sink that writes the records of a checkpoint before the checkpoint, in transactions of Options.Batch records: full ones
// while the task goes on. Delivery is at least once; with Upsert a record that is written again changes nothing. Connect reports mistakes in the options.
func New[K, V any](o Options[K, V]) sink.Sink[K, V] { return newDatabase(o) }

// NewExactlyOnce returns a sink in two phases: rows are durable in a staging table before their checkpoint, and move to their table
// in one transaction after it. Delivery is exactly once if the application runs exactly once. The package documentation says how it works.
func NewExactlyOnce[K, V any](o Options[K, V]) sink.TwoPhase[K, V] {
	return &twoPhase[K, V]{newDatabase(o)}
}

// database is a sink. Its methods may be called by several goroutines at once.
type database[K, V any] struct {
	options Options[K, V]
	wrong   error // with the options
	keyText func(K) (text string, null bool, err error)
	toRow   func(V) (row.Row, error)
	pool    *pgxpool.Pool
	tables  tables
}

func newDatabase[K, V any](o Options[K, V]) *database[K, V] {
	o.Types = maps.Clone(o.Types)
	d := &database[K, V]{wrong: o.check(), keyText: connector.KeyText[K](), toRow: connector.ToRow[V]()}
	o.Retry.If = unavailable
	d.options = o
	d.tables.known = map[string]*table{}
	return d
}

// Connect implements [sink.Sink]: it makes sure that the database answers, and that the table of Options.Table is fit for its rows.
func (d *database[K, V]) Connect(ctx context.Context) error {
	if d.wrong != nil {
		return fmt.Errorf("PostgreSQL sink: %w: %w", weir.ErrConfiguration, d.wrong)
	}
	o := &d.options
	c, err := pgxpool.ParseConfig(o.URL.Reveal())
	if err != nil {
		return fmt.Errorf("PostgreSQL sink: %w: %w", weir.ErrConfiguration, err)
	}
	c.MaxConns = int32(defaultConnections)
	if o.Connections > 0 {
		c.MaxConns = int32(min(o.Connections, 10_000))
	}
	if o.ConnectTimeout > 0 {
		c.ConnConfig.ConnectTimeout = o.ConnectTimeout
	}
	if c.ConnConfig.ConnectTimeout == 0 {
		c.ConnConfig.ConnectTimeout = defaultTimeout
	}
	parameters := c.ConnConfig.RuntimeParams
	if _, set := parameters["statement_timeout"]; o.Timeout > 0 || !set && !strings.Contains(parameters["options"], "statement_timeout") {
		timeout := o.Timeout
		if timeout == 0 {
			timeout = defaultTimeout
		}
		parameters["statement_timeout"] = strconv.FormatInt(max(1, timeout.Milliseconds()), 10)
	}
	if _, set := parameters["application_name"]; !set {
		parameters["application_name"] = "weir"
	}
	parameters["timezone"] = "UTC" // a table may have times without a zone
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return fmt.Errorf("PostgreSQL sink: %w", err)
	}
	at := fmt.Sprintf("PostgreSQL database %q at %s", c.ConnConfig.Database, net.JoinHostPort(c.ConnConfig.Host, strconv.Itoa(int(c.ConnConfig.Port))))
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return fmt.Errorf("connect to %s: %w", at, err)
	}
	d.pool = pool
	if err := d.prepareTables(ctx); err != nil {
		pool.Close()
		d.pool = nil
		return fmt.Errorf("%s: %w", at, err)
	}
	return nil
}

// Close implements [sink.Sink].
func (d *database[K, V]) Close(context.Context) error {
	if d.pool != nil {
		d.pool.Close()
	}
	return nil
}

// errNotConnected is the error of a writer without a connection.
var errNotConnected = errors.New("PostgreSQL sink: Writer is called before Connect")

// Writer implements [sink.Sink].
func (d *database[K, V]) Writer(_ context.Context, task sink.Task) (sink.Writer[K, V], error) {
	if d.pool == nil {
		return nil, errNotConnected
	}
	return d.newWriter(task, "write rows", d.write, d.options.Batch.AtCheckpoint), nil
}

// newWriter returns a writer that hands batches to put, all of them within Flush if atCheckpoint is set.
func (d *database[K, V]) newWriter(task sink.Task, doing string, put func(context.Context, []line) error, atCheckpoint bool) *writer[K, V] {
	o := d.options.Batch
	o.AtCheckpoint = atCheckpoint
	if task.Now != nil {
		o.Now = task.Now
	}
	return &writer[K, V]{d, sink.NewBatchWriter(func(ctx context.Context, records []weir.Record[struct{}, line]) error {
		lines := make([]line, len(records))
		for i := range records {
			lines[i] = records[i].Value
		}
		return d.call(ctx, doing, func(ctx context.Context) error { return put(ctx, lines) })
	}, o)}
}

// writer converts records when they are added, so that an error of one goes to the error policy with its record.
type writer[K, V any] struct {
	database *database[K, V]
	sink.Writer[struct{}, line]
}

// Add implements [sink.Writer].
func (w *writer[K, V]) Add(ctx context.Context, r *weir.Record[K, V]) error {
	l, err := w.database.line(r)
	if err != nil {
		return err
	}
	return w.Writer.Add(ctx, &weir.Record[struct{}, line]{Value: l, Millis: r.Millis, Origin: r.Origin})
}

// Cut implements background.Cutter.
func (w *writer[K, V]) Cut(ctx context.Context, ended func()) background.Cut {
	return background.CutOf(ctx, w.Writer, ended)
}

// busyWait is how long the application holds its input back after the attempts of Options.Retry are used up.
const busyWait = 5 * time.Second

// call makes a call to the database, as often as the policy says, and bounds each attempt.
func (d *database[K, V]) call(ctx context.Context, doing string, f func(ctx context.Context) error) error {
	err := d.options.Retry.Do(ctx, f)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", doing, errors.Join(context.Cause(ctx), err))
	case unavailable(err):
		return &weir.RetryLaterError{RetryAfter: busyWait, Err: fmt.Errorf("%s: %w", doing, err)}
	}
	if refused, ok := errors.AsType[sink.RecordErrors](err); ok {
		return refused
	}
	return fmt.Errorf("%s: %w", doing, err)
}
