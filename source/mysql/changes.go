package mysql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"

	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/source"
)

// stream is the state of the log (MySQL Internals, "Binary Log"; MariaDB Knowledge Base, "Replication Protocol").
type stream struct {
	// file and pos are behind the last event.
	file string
	pos  uint32
	// open is set within a transaction, which begins at from. gtid is its identifier, and name its text in position.Begun.
	open       bool
	from       mysql.Position
	gtid, name string
	// standalone is set for a transaction of one statement, such as a definition of a table.
	standalone bool
	// prepared is set for the first part of a distributed transaction, which may be rolled back later.
	prepared bool
	// changes counts those of the transaction so far: those up to position.Changes were read by a reader before.
	changes int
	// shape are the columns of the definition last, that of the table that changed before.
	shape []column
	last  *replication.TableMapEvent
	end   mysql.Position // of the log, as far as known
}

const (
	// patience is how long Read waits for a change.
	patience = 500 * time.Millisecond
	// lull is how long it waits for more, when it has some.
	lull = 5 * time.Millisecond
	// lookInterval is how often the reader asks for the end of the log.
	lookInterval = 5 * time.Second
)

// Flags of transactions of MariaDB (log_event.h).
const (
	flagStandalone = 1
	flagPreparedXA = 64
)

// readChanges fills a batch with changes.
func (r *reader[K, V]) readChanges(ctx context.Context, into *source.Batch[K, V]) error {
	if time.Since(r.looked) >= lookInterval {
		r.looked = time.Now()
		s, err := r.database.logStatus(ctx, r.queries)
		if err != nil {
			return err
		}
		r.stream.end = mysql.Position{Name: s.file, Pos: s.pos}
	}
	deadline := time.Now().Add(patience)
	for len(into.Records) < r.database.options.ChunkRows {
		if len(into.Records) > 0 {
			deadline = time.Now().Add(lull)
		}
		bounded, cancel := context.WithDeadline(ctx, deadline)
		event, err := r.log.stream.GetEvent(bounded)
		cancel()
		if err != nil {
			if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
				if time.Since(r.heard) > silence {
					return r.failed(fmt.Errorf("the server has sent nothing for %v, not even a heartbeat", silence))
				}
				break
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return r.failed(err)
		}
		r.heard = time.Now()
		into.Bytes += int64(event.Header.EventSize)
		if err := r.take(ctx, event.Header, event.Event, into); err != nil {
			return err
		}
	}
	if r.stream.end.Name == r.at.File {
		into.Behind = max(0, int64(r.stream.end.Pos)-int64(r.at.Pos))
	}
	return nil
}

// failed tells lost input from errors that another attempt may mend.
func (r *reader[K, V]) failed(err error) error {
	err = fmt.Errorf("read the log of %s behind %s: %w", &r.database.address, r.where(), err)
	e, ok := errors.AsType[*mysql.MyError](err)
	if !ok {
		if e, ok := errors.AsType[*replication.EventError](err); ok {
			return connector.Permanent{Err: fmt.Errorf("an event of the log cannot be read: %s", e.Err)}
		}
		return err
	}
	// The same code says that another reader with the same number has come, which is the next owner of the split.
	if e.Code == mysql.ER_MASTER_FATAL_ERROR_READING_BINLOG && !strings.Contains(e.Message, "same server") {
		return lost("%w", err)
	}
	return err
}

func (r *reader[K, V]) where() string {
	if r.at.ByGTID {
		return fmt.Sprintf("the transactions %q", r.at.GTID)
	}
	return fmt.Sprintf("%s:%d", r.at.File, r.at.Pos)
}

// take handles an event of the log.
func (r *reader[K, V]) take(ctx context.Context, h *replication.EventHeader, event replication.Event, into *source.Batch[K, V]) error {
	s := &r.stream
	switch e := event.(type) {
	case *replication.RotateEvent:
		s.file, s.pos = string(e.NextLogName), uint32(e.Position)
		if !s.open {
			r.reachedFile()
		}
		return nil
	case *replication.MariadbGTIDEvent:
		r.begin(e.GTID.String())
		s.standalone, s.prepared = e.Flags&flagStandalone != 0, e.Flags&flagPreparedXA != 0
	case *replication.GTIDEvent:
		if err := r.beginGTID(e); err != nil {
			return err
		}
	case *replication.GtidTaggedLogEvent:
		if err := r.beginGTID(&e.GTIDEvent); err != nil {
			return err
		}
	case *replication.XIDEvent:
		return r.commit(h)
	case *replication.QueryEvent:
		return r.statement(ctx, h, e, into)
	case *replication.TransactionPayloadEvent: // a compressed transaction
		for _, inner := range e.Events {
			inner.Header.LogPos = h.LogPos
			if err := r.take(ctx, inner.Header, inner.Event, into); err != nil {
				return err
			}
		}
		return nil
	case *replication.ExecuteLoadQueryEvent: // it has no name of a table
		return lost("the log has a LOAD DATA statement at %s in place of the rows that it made, because binlog_format was not ROW", s.name)
	case *replication.RowsEvent:
		if err := r.rows(ctx, h, e, into); err != nil {
			return err
		}
	default:
		if h.EventType == replication.XA_PREPARE_LOG_EVENT {
			return r.commit(h)
		}
	}
	if h.LogPos > 0 {
		s.pos = h.LogPos
	}
	return nil
}

// begin notes the begin of a transaction.
func (r *reader[K, V]) begin(gtid string) {
	s := &r.stream
	s.open, s.changes, s.prepared, s.standalone = true, 0, false, false
	s.from = mysql.Position{Name: s.file, Pos: s.pos}
	s.gtid, s.name = gtid, gtid
	if !r.at.ByGTID {
		s.name = fmt.Sprintf("%s:%d", s.file, s.pos)
	}
	if s.name != r.at.Begun {
		r.at.Begun, r.at.Changes = s.name, 0
	}
}

func (r *reader[K, V]) beginGTID(e *replication.GTIDEvent) error {
	set, err := e.GTIDNext()
	if err != nil {
		return err
	}
	text := set.String()
	if e.GNO == 0 { // anonymous
		if text = ""; r.at.ByGTID {
			return lost("a transaction of the log has no global identifier: gtid_mode of the server was not ON")
		}
	}
	r.begin(text)
	r.stream.standalone = true // until there is a BEGIN
	return nil
}

// commit notes the end of a transaction.
func (r *reader[K, V]) commit(h *replication.EventHeader) error {
	s := &r.stream
	if h.LogPos > 0 {
		s.pos = h.LogPos
	}
	if !s.open {
		return nil
	}
	s.open = false
	if r.at.ByGTID {
		set, err := r.gtidsNow()
		if err == nil {
			err = set.Update(s.gtid)
		}
		if err != nil {
			return fmt.Errorf("global transaction identifiers %q and %q: %w", r.at.GTID, s.gtid, err)
		}
		r.at.GTID = set.String()
	}
	r.at.Begun, r.at.Changes = "", 0
	r.reachedFile()
	return r.forget()
}

// reachedFile notes the place in the log, between two transactions.
func (r *reader[K, V]) reachedFile() { r.at.File, r.at.Pos = r.stream.file, r.stream.pos }

// statement handles a statement of the log: the borders of transactions, definitions of tables, and changes that should be rows.
func (r *reader[K, V]) statement(ctx context.Context, h *replication.EventHeader, e *replication.QueryEvent, into *source.Batch[K, V]) error {
	s := &r.stream
	words := strings.Fields(strings.ToUpper(string(e.Query[:min(len(e.Query), 40)])))
	first, second := "", ""
	if len(words) > 0 {
		first = words[0]
	}
	if len(words) > 1 {
		second = words[1]
	}
	switch {
	case first == "BEGIN":
		if s.standalone = false; !s.open {
			r.begin("")
		}
	case first == "COMMIT":
		return r.commit(h)
	case first == "ROLLBACK" && second != "TO":
		if s.changes > 0 {
			return lost("the log has a transaction at %s that was rolled back in part, because it also changed tables without transactions", s.name)
		}
		return r.commit(h)
	case first == "XA" && (second == "START" || second == "BEGIN"):
		s.standalone, s.prepared = false, true
	case first == "XA" && (second == "COMMIT" || second == "ROLLBACK"):
		return r.commit(h)
	case first == "XA", first == "SAVEPOINT", first == "ROLLBACK":
	default:
		if !s.open { // a log without identifiers has no event for the begin
			r.begin("")
			s.standalone = true
		}
		what, t := effectOf(string(e.Query), string(e.Schema), r.database.tables)
		switch {
		case what == loses && !r.shown(t):
			return lost("the statement %.200q changed rows of table %s that the log does not have", e.Query, t)
		case what == truncates:
			if err := r.truncated(h, t, into); err != nil {
				return err
			}
		}
		if s.standalone {
			return r.commit(h)
		}
	}
	if h.LogPos > 0 {
		s.pos = h.LogPos
	}
	return nil
}

// truncated makes the records of a statement that removes all rows.
func (r *reader[K, V]) truncated(h *replication.EventHeader, t *table, into *source.Batch[K, V]) error {
	s := &r.stream
	if s.changes++; s.changes <= r.at.Changes {
		return nil
	}
	r.at.Changes = s.changes
	spans := r.at.Ranges[t.schema+"."+t.name]
	some := false
	for i := range spans {
		before, err := r.before(s.from, s.gtid, &spans[i].place)
		if err != nil {
			return err
		}
		some = some || before
	}
	switch {
	case some && r.shown(t):
		return nil
	case some:
		return lost("table %s was truncated while its rows were read, so that some of them are from before and some from after", t)
	}
	return r.emit(r.changeOf(Truncate, t, h), into)
}

func (r *reader[K, V]) changeOf(op Op, t *table, h *replication.EventHeader) Change {
	s := &r.stream
	return Change{Op: op, Schema: t.schema, Table: t.name, Time: time.Unix(int64(h.Timestamp), 0), GTID: s.gtid, File: s.from.Name, Position: s.from.Pos}
}

// rows handles changes of rows.
func (r *reader[K, V]) rows(ctx context.Context, h *replication.EventHeader, e *replication.RowsEvent, into *source.Batch[K, V]) error {
	s := &r.stream
	full := string(e.Table.Schema) + "." + string(e.Table.Table)
	i := slices.Index(r.database.options.Tables, full)
	if i < 0 {
		return nil
	}
	t := r.database.tables[i]
	if !s.open {
		return connector.Permanent{Err: fmt.Errorf("the log has a change of table %s outside of a transaction, at %s:%d", t, s.file, s.pos)}
	}
	if s.prepared {
		return lost("a distributed transaction (XA) changed table %s at %s, and the source does not know whether it was rolled back later", t, s.name)
	}
	if s.last != e.Table {
		shape, err := r.database.columnsOf(t, e.Table)
		if err != nil {
			return lost("table %s, at %s: %w", t, s.name, err)
		}
		if err := sameKey(t, shape, e.Table.PrimaryKey); err != nil {
			return connector.Permanent{Err: err}
		}
		s.shape, s.last = shape, e.Table
	}
	for _, skipped := range e.SkippedColumns {
		if len(skipped) > 0 {
			return lost("a change of table %s at %s lacks column %q, because binlog_row_image was not FULL", t, s.name, s.shape[skipped[0]].name)
		}
	}
	switch e.Type() {
	case replication.EnumRowsEventTypeInsert:
		for _, values := range e.Rows {
			if err := r.change(ctx, Insert, t, h, nil, values, into); err != nil {
				return err
			}
		}
	case replication.EnumRowsEventTypeDelete:
		for _, values := range e.Rows {
			if err := r.change(ctx, Delete, t, h, values, nil, into); err != nil {
				return err
			}
		}
	case replication.EnumRowsEventTypeUpdate:
		for i := 0; i+1 < len(e.Rows); i += 2 {
			if err := r.change(ctx, Update, t, h, e.Rows[i], e.Rows[i+1], into); err != nil {
				return err
			}
		}
	default:
		return lost("a change of table %s at %s has parts of JSON documents, because binlog_row_value_options was not empty", t, s.name)
	}
	return nil
}

// sameKey refuses a table that had another primary key at the time of an event.
func sameKey(t *table, shape []column, key []uint64) error {
	var names []string
	for _, i := range key {
		if i < uint64(len(shape)) {
			names = append(names, shape[i].name)
		}
	}
	if want := t.keyNames; !slices.Equal(names, want) {
		return fmt.Errorf("table %s has the primary key %q, and had %q at the time of a change in the log: use another Options.Name of the source, which begins with a snapshot", t, want, names)
	}
	return nil
}

// change makes the records of a change.
func (r *reader[K, V]) change(ctx context.Context, op Op, t *table, h *replication.EventHeader, before, after []any, into *source.Batch[K, V]) (err error) {
	s := &r.stream
	if s.changes++; s.changes <= r.at.Changes {
		return nil
	}
	r.at.Changes = s.changes
	c := r.changeOf(op, t, h)
	if before != nil {
		if c.Before, err = r.row(t, before); err != nil {
			return err
		}
	}
	of := c.Before
	if after != nil {
		if c.After, err = r.row(t, after); err != nil {
			return err
		}
		of = c.After
	}
	if c.Key, err = connector.Project(of, t.keyNames); err != nil {
		return connector.Permanent{Err: fmt.Errorf("table %s: %w", t, err)}
	}
	if spans := r.at.Ranges[t.schema+"."+t.name]; len(spans) > 0 {
		return r.unseen(ctx, t, spans, c, into)
	}
	return r.emit(c, into)
}

// row makes a row of the values of a change.
func (r *reader[K, V]) row(t *table, values []any) (row.Row, error) {
	fields := make([]row.Field, len(values))
	for i, v := range values {
		c := &r.stream.shape[i]
		value, err := c.fromLog(v, r.database.options.FloatDecimals)
		if err != nil {
			return row.Row{}, connector.Permanent{Err: fmt.Errorf("table %s, column %q, at %s: %w", t, c.name, r.stream.name, err)}
		}
		fields[i] = row.F(c.name, value)
	}
	return row.New(fields...), nil
}
