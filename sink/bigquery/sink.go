package bigquery

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	storage "cloud.google.com/go/bigquery/storage/apiv1"
	rest "google.golang.org/api/bigquery/v2"
	"google.golang.org/api/googleapi"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/internal/connector/web"
	"github.com/weirstreams/weir/internal/filesink"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/sink"
)

// New returns a sink that appends records to a table by the Storage Write API, in two phases: the rows of a checkpoint go to a write stream of type PENDING, which is committed after the checkpoint.
// Delivery is exactly once if the application runs exactly once. Connect reports mistakes in the options.
func New[K, V any](t Table, o Options[K, V]) sink.TwoPhase[K, V] {
	return &storageSink[K, V]{target: newTarget(t, o)}
}

// NewInsert returns a sink that appends records to a table by tabledata.insertAll, so that queries see them at once. Delivery is at least once: BigQuery drops most rows that come again within a minute, by the ID that the sink gives them,
// and not all. Connect reports mistakes in the options.
func NewInsert[K, V any](t Table, o Options[K, V]) sink.Sink[K, V] {
	return &insertSink[K, V]{target: newTarget(t, o)}
}

// target is a table with its columns. Its methods may be called by several goroutines at once.
type target[K, V any] struct {
	table   Table
	options Options[K, V]
	wrong   error // with the options
	keyText func(K) (text string, null bool, err error)
	toRow   func(V) (row.Row, error)
	rest    *rest.Service // nil before Connect
	// turn is held while the table is changed, so that the tasks of a process do not get in each other's way.
	turn chan struct{}

	mu      sync.Mutex // guards current
	current *columns   // of the table as it was last seen
}

func newTarget[K, V any](t Table, o Options[K, V]) *target[K, V] {
	wrong := errors.Join(t.check(), o.check())
	o.Retry.If = passes
	return &target[K, V]{table: t, options: o, wrong: wrong, keyText: connector.KeyText[K](), toRow: connector.ToRow[V](), turn: make(chan struct{}, 1)}
}

// passes reports whether time may mend an error.
func passes(err error) bool {
	_, ok := errors.AsType[*web.Transient](err)
	return ok
}

// String names the table.
func (s *target[K, V]) String() string { return "BigQuery table " + s.table.String() }

// Connect implements [sink.Sink]: it checks the options, makes the table if it is missing, and finds out whether rows may be written.
func (s *target[K, V]) Connect(ctx context.Context) error {
	if s.wrong != nil {
		return fmt.Errorf("%w: sink bigquery: %w", weir.ErrConfiguration, s.wrong)
	}
	settings, _ := s.table.settings()
	client, err := rest.NewService(ctx, settings...)
	if err != nil {
		return fmt.Errorf("%w: sink bigquery: %w", weir.ErrConfiguration, err)
	}
	s.rest = client
	err = s.options.Retry.Do(ctx, func(ctx context.Context) error {
		c, err := s.open(ctx)
		if err == nil {
			err = s.checkColumns(c)
		}
		if err == nil {
			err = s.granted(ctx)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("connect to %s: %w", s, err)
	}
	return nil
}

// Close implements [sink.Sink].
func (*target[K, V]) Close(context.Context) error { return nil }

// call makes a call of the REST API.
func (s *target[K, V]) call(ctx context.Context, permission string, f func(ctx context.Context) error) error {
	return call(ctx, s.options.Timeout, permission, f)
}

// attempt makes calls as often as the policy says. When its attempts are used up, the application holds its input back.
func (s *target[K, V]) attempt(ctx context.Context, doing string, f func(ctx context.Context) error) error {
	err := s.options.Retry.Do(ctx, f)
	if err == nil {
		return nil
	}
	if refused, ok := errors.AsType[sink.RecordErrors](err); ok {
		return refused
	}
	named := fmt.Errorf("%s: %s: %w", s, doing, err)
	switch {
	case ctx.Err() != nil:
		return errors.Join(context.Cause(ctx), named)
	case passes(err):
		return &weir.RetryLaterError{RetryAfter: s.options.OutageWait, Err: named}
	}
	return named
}

// open loads the table, or makes it.
func (s *target[K, V]) open(ctx context.Context) (*columns, error) {
	c, err := s.load(ctx)
	if answer, ok := errors.AsType[*googleapi.Error](err); !ok || answer.Code != http.StatusNotFound {
		return c, err
	}
	if s.options.FixedTable {
		return nil, fmt.Errorf("the table does not exist, and Options.FixedTable forbids to make it: %w", err)
	}
	wanted := &rest.Table{
		TableReference: &rest.TableReference{ProjectId: s.table.Project, DatasetId: s.table.Dataset, TableId: s.table.Name},
		Schema:         &rest.TableSchema{},
	}
	for _, name := range slices.Sorted(maps.Keys(s.options.Types)) {
		wanted.Schema.Fields = append(wanted.Schema.Fields, &rest.TableFieldSchema{Name: name, Type: s.options.Types[name], Mode: "NULLABLE"})
	}
	err = s.call(ctx, "bigquery.tables.create", func(ctx context.Context) error {
		_, err := s.rest.Tables.Insert(s.table.Project, s.table.Dataset, wanted).Context(ctx).Do()
		return err
	})
	if answer, ok := errors.AsType[*googleapi.Error](err); err != nil && (!ok || answer.Code != http.StatusConflict) { // a conflict: another member has made it
		return nil, fmt.Errorf("make the table (the dataset has to exist): %w", err)
	}
	return s.load(ctx)
}

// load reads the columns of the table.
func (s *target[K, V]) load(ctx context.Context) (c *columns, err error) {
	err = s.call(ctx, "bigquery.tables.get", func(ctx context.Context) error {
		t, err := s.rest.Tables.Get(s.table.Project, s.table.Dataset, s.table.Name).Context(ctx).Do()
		if err == nil {
			c = columnsOf(t)
		}
		return err
	})
	if err == nil {
		s.keep(c)
	}
	return c, err
}

func (s *target[K, V]) keep(c *columns) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = c
}

// seen returns the columns of the table as it was last seen. The sink is connected.
func (s *target[K, V]) seen() *columns {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// checkColumns compares the columns of the metadata with those of the table.
func (s *target[K, V]) checkColumns(c *columns) error {
	var wrong []error
	for _, name := range []string{s.options.KeyColumn, s.options.TimeColumn} {
		if name == NoColumn {
			continue
		}
		i, ok := c.lookup(name)
		switch {
		case !ok && s.options.FixedTable:
			wrong = append(wrong, fmt.Errorf("the table has no column %q, and Options.FixedTable forbids to add it: set KeyColumn or TimeColumn to another one, or to NoColumn", name))
		case ok && name == s.options.KeyColumn && c.list[i].kind != "STRING":
			wrong = append(wrong, fmt.Errorf("column %q is a %s, and the key of a record is a STRING", name, c.list[i].kind))
		case ok && name == s.options.TimeColumn && c.list[i].kind != "TIMESTAMP" && c.list[i].kind != "INTEGER":
			wrong = append(wrong, fmt.Errorf("column %q is a %s, and the time of a record is a TIMESTAMP, or an INTEGER of milliseconds", name, c.list[i].kind))
		}
	}
	if wrong != nil {
		return fmt.Errorf("%w: %w", weir.ErrConfiguration, errors.Join(wrong...))
	}
	return nil
}

// granted finds out whether the credentials have the permissions of the sink.
func (s *target[K, V]) granted(ctx context.Context) error {
	needed := []string{"bigquery.tables.get", "bigquery.tables.updateData"}
	if !s.options.FixedTable {
		needed = append(needed, "bigquery.tables.update")
	}
	return s.call(ctx, "test of the permissions", func(ctx context.Context) error {
		answer, err := s.rest.Tables.TestIamPermissions(s.table.path(), &rest.TestIamPermissionsRequest{Permissions: needed}).Context(ctx).Do()
		if e, ok := errors.AsType[*googleapi.Error](err); ok && (e.Code == http.StatusNotFound || e.Code == http.StatusNotImplemented || e.Code == http.StatusMethodNotAllowed) {
			return nil // emulators do not tell
		}
		if err != nil {
			return err
		}
		for _, permission := range needed {
			if !slices.Contains(answer.Permissions, permission) {
				return fmt.Errorf("%w: %s is not granted for the table", weir.ErrConfiguration, permission)
			}
		}
		return nil
	})
}

// conflicts is the policy for changes that meet those of others: each of these has made progress, so it is no outage.
var conflicts = weir.Retry{
	Attempts: 30, FirstWait: 10 * time.Millisecond, MaxWait: time.Second,
	If: func(err error) bool {
		answer, ok := errors.AsType[*googleapi.Error](err)
		return ok && answer.Code == http.StatusPreconditionFailed
	},
}

// evolve loads the table and adds the columns that refit asks for, while no other task of the process does.
func (s *target[K, V]) evolve(ctx context.Context, refit func(c *columns) (*columns, error)) (c *columns, err error) {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-s.turn }()
	err = conflicts.Do(ctx, func(ctx context.Context) error {
		if c, err = s.load(ctx); err != nil {
			return err
		}
		wanted, err := refit(c)
		if err != nil || wanted.added == 0 {
			return err
		}
		err = s.call(ctx, "bigquery.tables.update", func(ctx context.Context) error {
			patch := s.rest.Tables.Patch(s.table.Project, s.table.Dataset, s.table.Name, &rest.Table{Schema: wanted.schema()}).Context(ctx)
			patch.Header().Set("If-Match", c.table.Etag)
			t, err := patch.Do()
			if err == nil {
				c = columnsOf(t)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("add columns: %w", err)
		}
		s.keep(c)
		_, err = refit(c)
		return err
	})
	return c, err
}

// rowOf makes the row of a record, with the columns of the metadata.
func (s *target[K, V]) rowOf(r *weir.Record[K, V]) (out row.Row, err error) {
	o := &s.options
	switch {
	case o.Row != nil:
		out, err = o.Row(r)
	case !r.ValueNull:
		out, err = s.toRow(r.Value)
	}
	if err != nil {
		return out, fmt.Errorf("make the row: %w", err)
	}
	if out.IsNil() {
		return out, errors.New("the value is null, which is no row")
	}
	if o.TimeColumn != NoColumn {
		if _, given := out.Lookup(o.TimeColumn); !given {
			out = out.With(o.TimeColumn, row.Int(r.Millis))
		}
	}
	if o.KeyColumn != NoColumn && !r.KeyNull {
		text, null, err := s.keyText(r.Key)
		if err != nil {
			return out, fmt.Errorf("key of the record: %w", err)
		}
		if _, given := out.Lookup(o.KeyColumn); !given && !null {
			out = out.With(o.KeyColumn, row.String(text))
		}
	}
	return out, nil
}

// storageSink writes by the Storage Write API.
type storageSink[K, V any] struct {
	*target[K, V]
	client *storage.BigQueryWriteClient // open between Connect and Close
}

// Connect implements [sink.Sink].
func (s *storageSink[K, V]) Connect(ctx context.Context) error {
	if err := s.target.Connect(ctx); err != nil {
		return err
	}
	_, settings := s.table.settings()
	client, err := storage.NewBigQueryWriteClient(ctx, settings...)
	if err != nil {
		return fmt.Errorf("%w: sink bigquery: %w", weir.ErrConfiguration, err)
	}
	client.CallOptions = &storage.BigQueryWriteCallOptions{} // the sink has its own policy
	s.client = client
	return nil
}

// Close implements [sink.Sink].
func (s *storageSink[K, V]) Close(context.Context) error {
	if s.client == nil {
		return nil
	}
	return s.client.Close()
}

// Writer implements [sink.Sink]: its Flush commits at once.
func (s *storageSink[K, V]) Writer(ctx context.Context, task sink.Task) (sink.Writer[K, V], error) {
	w, err := s.TwoPhaseWriter(ctx, task)
	if err != nil {
		return nil, err
	}
	return filesink.Plain(ctx, w)
}

// TwoPhaseWriter implements [sink.TwoPhase].
func (s *storageSink[K, V]) TwoPhaseWriter(_ context.Context, task sink.Task) (sink.TwoPhaseWriter[K, V], error) {
	if s.client == nil {
		return nil, errors.New("sink bigquery: Writer is called before Connect")
	}
	return newWriter(s, task), nil
}
