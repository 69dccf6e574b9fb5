package iceberg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	client "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	icebergio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/internal/filesink"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/sink"
)

// New returns a sink that appends records to a table in two phases: data files are written before a checkpoint, and become a part of the table by one snapshot after it.
// Delivery is exactly once if the application runs exactly once. Connect reports mistakes in the options.
func New[K, V any](o Options[K, V]) sink.TwoPhase[K, V] {
	s := &icebergSink[K, V]{keyText: connector.KeyText[K](), toRow: connector.ToRow[V](), turn: make(chan struct{}, 1)}
	s.settings, s.wrong = o.check()
	o.Retry.If = passes
	s.options = o
	return s
}

// icebergSink is a sink. Its methods may be called by several goroutines at once.
type icebergSink[K, V any] struct {
	options  Options[K, V]
	settings settings
	wrong    error // with the options
	keyText  func(K) (text string, null bool, err error)
	toRow    func(V) (row.Row, error)
	catalog  catalog.Catalog
	// turn is held while the table is changed, so that the tasks of a process do not get in each other's way.
	turn chan struct{}

	mu sync.Mutex // guards the following
	// current is the table as it was last seen, nil before Connect and after another writer has changed it.
	current *table.Table
}

// Connect implements [sink.Sink]: it opens the catalog, makes the table if it is missing, and finds out whether files can be written beside it.
func (s *icebergSink[K, V]) Connect(ctx context.Context) error {
	if s.wrong != nil {
		return fmt.Errorf("sink/iceberg: table %s: %w: %w", s.options.Table, weir.ErrConfiguration, s.wrong)
	}
	err := s.attempt(ctx, func(ctx context.Context) error {
		c, err := s.options.Catalog(ctx)
		if err == nil {
			s.catalog = c
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("sink/iceberg: open the catalog of table %s: %w", s.options.Table, err)
	}
	err = s.attempt(ctx, func(ctx context.Context) error {
		t, err := s.open(ctx)
		if err == nil {
			err = s.checkTable(t)
		}
		if err == nil {
			err = probe(ctx, t)
		}
		if err == nil {
			s.keep(t)
		}
		return err
	})
	if err != nil {
		return errors.Join(fmt.Errorf("sink/iceberg: table %s: %w", s.options.Table, err), s.Close(ctx))
	}
	return nil
}

// attempt makes a call as often as the policy says, and bounds each attempt.
func (s *icebergSink[K, V]) attempt(ctx context.Context, f func(ctx context.Context) error) error {
	return s.options.Retry.Do(ctx, func(ctx context.Context) error {
		within, cancel := context.WithTimeout(ctx, s.options.Timeout)
		defer cancel()
		err := f(within)
		if err != nil && ctx.Err() == nil && within.Err() != nil {
			return fmt.Errorf("no answer within %v: %w", s.options.Timeout, errors.Join(context.DeadlineExceeded, err))
		}
		return err
	})
}

// call is attempt for the methods of writers: the application holds its input back if the attempts are used up.
func (s *icebergSink[K, V]) call(ctx context.Context, doing string, f func(ctx context.Context) error) error {
	err := s.attempt(ctx, f)
	if err == nil {
		return nil
	}
	if refused, ok := errors.AsType[sink.RecordErrors](err); ok {
		return refused
	}
	named := fmt.Errorf("sink/iceberg: table %s: %s: %w", s.options.Table, doing, err)
	switch {
	case ctx.Err() != nil:
		return errors.Join(context.Cause(ctx), named)
	case passes(err):
		return &weir.RetryLaterError{RetryAfter: s.options.OutageWait, Err: named}
	}
	return named
}

// open loads the table, or makes it.
func (s *icebergSink[K, V]) open(ctx context.Context) (*table.Table, error) {
	t, err := s.catalog.LoadTable(ctx, s.settings.identifier)
	if !errors.Is(err, catalog.ErrNoSuchTable) {
		return t, err
	}
	if s.options.FixedTable {
		return nil, fmt.Errorf("it does not exist, and Options.FixedTable forbids to make it: %w", err)
	}
	t, err = s.catalog.CreateTable(ctx, s.settings.identifier, s.settings.schema, catalog.WithPartitionSpec(&s.settings.spec),
		catalog.WithProperties(s.options.Properties))
	switch {
	case errors.Is(err, catalog.ErrTableAlreadyExists): // another member has made it
		return s.catalog.LoadTable(ctx, s.settings.identifier)
	case errors.Is(err, catalog.ErrNoSuchNamespace):
		return nil, fmt.Errorf("make the namespace: it is never made here: %w", err)
	}
	return t, err
}

// checkTable compares the table with the options.
func (s *icebergSink[K, V]) checkTable(t *table.Table) error {
	o := &s.options
	var wrong []error
	schema := t.Schema()
	if by := describe(t.Spec(), schema); len(o.PartitionBy) > 0 {
		if want := describe(s.settings.spec, s.settings.schema); !slices.Equal(by, want) {
			wrong = append(wrong, fmt.Errorf("it is divided by %q, and Options.PartitionBy says %q: the sink never changes that", by, want))
		}
	}
	for column, check := range map[string]func(client.Type) error{o.KeyColumn: isText, o.TimeColumn: isTime} {
		if column == NoColumn {
			continue
		}
		f, ok := schema.FindFieldByName(column)
		switch {
		case !ok && o.FixedTable:
			wrong = append(wrong, fmt.Errorf("it has no column %q, and Options.FixedTable forbids to add it: set KeyColumn or TimeColumn to another one, or to NoColumn", column))
		case ok:
			if err := check(f.Type); err != nil {
				wrong = append(wrong, fmt.Errorf("column %q: %w", column, err))
			}
		}
	}
	for name, d := range s.settings.declared {
		if f, ok := schema.FindFieldByName(name); ok && o.Types[name] != "" && !f.Type.Equals(d.Type) {
			wrong = append(wrong, fmt.Errorf("column %q is a %s, and Options.Types says %s", name, f.Type, d.Type))
		}
	}
	if err := errors.Join(wrong...); err != nil {
		return fmt.Errorf("%w: %w", weir.ErrConfiguration, err)
	}
	return nil
}

// probe writes a file where the sink writes its own, and removes it.
func probe(ctx context.Context, t *table.Table) error {
	files, err := filesOf(ctx, t)
	if err != nil {
		return err
	}
	name, err := metadataFile(t)
	if err != nil {
		return err
	}
	if err := files.WriteFile(name, []byte("probe")); err != nil {
		return fmt.Errorf("files cannot be written: %w", err)
	}
	if err := files.Remove(name); err != nil {
		return fmt.Errorf("files cannot be removed: %w", err)
	}
	return nil
}

// filesOf returns the file system of the table.
func filesOf(ctx context.Context, t *table.Table) (icebergio.WriteFileIO, error) {
	files, err := t.FS(ctx)
	if err != nil {
		return nil, err
	}
	w, ok := files.(icebergio.WriteFileIO)
	if !ok {
		return nil, fmt.Errorf("files at %s cannot be written by this program: import a package below github.com/apache/iceberg-go/io/gocloud", t.Location())
	}
	return w, nil
}

// metadataFile returns a new name beside the metadata of the table, of the form that stores with rules for names expect of a manifest.
func metadataFile(t *table.Table) (string, error) {
	names, err := t.LocationProvider()
	if err != nil {
		return "", err
	}
	return names.NewMetadataLocation(uuid.NewString() + "-m0.avro"), nil
}

// seen returns the table as it was last seen, or loads it.
func (s *icebergSink[K, V]) seen(ctx context.Context) (*table.Table, error) {
	s.mu.Lock()
	t := s.current
	s.mu.Unlock()
	if t != nil {
		return t, nil
	}
	return s.load(ctx)
}

func (s *icebergSink[K, V]) load(ctx context.Context) (*table.Table, error) {
	t, err := s.catalog.LoadTable(ctx, s.settings.identifier)
	if err == nil {
		s.keep(t)
	}
	return t, err
}

// keep notes the newest table; nil lets it be loaded again.
func (s *icebergSink[K, V]) keep(t *table.Table) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = t
}

// conflicts is the policy for changes that meet those of other writers: each of these has made progress, so it is no outage.
var conflicts = weir.Retry{
	Attempts: 30, FirstWait: 10 * time.Millisecond, MaxWait: time.Second,
	If: func(err error) bool { return errors.Is(err, table.ErrCommitFailed) },
}

// alone calls f, which changes the table, while no other task of the process does, and again after a conflict with another writer. After an error the table is loaded again.
func (s *icebergSink[K, V]) alone(ctx context.Context, f func() error) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-s.turn }()
	return conflicts.Do(ctx, func(context.Context) error {
		err := f()
		if err != nil {
			s.keep(nil)
		}
		return err
	})
}

// Close implements [sink.Sink].
func (s *icebergSink[K, V]) Close(context.Context) error {
	if c, ok := s.catalog.(io.Closer); ok {
		if err := c.Close(); err != nil {
			return fmt.Errorf("sink/iceberg: close the catalog of table %s: %w", s.options.Table, err)
		}
	}
	return nil
}

// Writer implements [sink.Sink]: its Flush appends a snapshot at once.
func (s *icebergSink[K, V]) Writer(ctx context.Context, task sink.Task) (sink.Writer[K, V], error) {
	w, err := s.TwoPhaseWriter(ctx, task)
	if err != nil {
		return nil, err
	}
	return filesink.Plain(ctx, w)
}

// TwoPhaseWriter implements [sink.TwoPhase].
func (s *icebergSink[K, V]) TwoPhaseWriter(ctx context.Context, task sink.Task) (sink.TwoPhaseWriter[K, V], error) {
	if s.catalog == nil {
		return nil, fmt.Errorf("sink/iceberg: table %s: Writer is called before Connect", s.options.Table)
	}
	w := newWriter(s, task)
	return w, s.call(ctx, "load it", func(ctx context.Context) error {
		t, err := s.seen(ctx)
		if err == nil {
			w.columns = columnsOf(t.Schema().ID, t.Schema().Fields())
		}
		return err
	})
}

// String names the table.
func (s *icebergSink[K, V]) String() string { return "Iceberg table " + s.options.Table }
