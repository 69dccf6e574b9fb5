package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/source"
)

// stream is the state of the log, as sent by the plugin pgoutput (PostgreSQL manual, "Logical Replication Message Formats").
type stream struct {
	relations map[uint32]*pglogrepl.RelationMessage
	// begin is the transaction that is being read, nil between two. changes counts its changes so far: those up to position.Changes were read by a
	// reader before.
	begin   *pglogrepl.BeginMessage
	changes int
	// snapshot is that of the rows being read.
	snapshot string
	// end is the end of the log at the server, as far as known.
	end uint64
}

const (
	// patience is how long Read waits for a change, so that positions can be acknowledged.
	patience = 500 * time.Millisecond
	// lull is how long it waits for more, when it has some.
	lull = 5 * time.Millisecond
	// tellInterval is how often the server is told how far the log is read, at least.
	tellInterval = 10 * time.Second
	// settleInterval is how often the reader asks whether snapshots can be forgotten.
	settleInterval = time.Minute
	// checkInterval is how often it looks at the publication.
	checkInterval = 2 * time.Second
)

// readChanges fills a batch with changes.
func (r *reader[K, V]) readChanges(ctx context.Context, into *source.Batch[K, V]) error {
	if err := errors.Join(r.settle(ctx), r.checkPublication(ctx)); err != nil {
		return err
	}
	if time.Since(r.told) >= tellInterval {
		if err := r.tell(ctx); err != nil {
			return fmt.Errorf("read slot %q: %w", r.database.options.Slot, err)
		}
	}
	deadline := time.Now().Add(patience)
	for len(into.Records) < r.database.options.ChunkRows {
		if len(into.Records) > 0 {
			deadline = time.Now().Add(lull)
		}
		bounded, cancel := context.WithDeadline(ctx, deadline)
		message, err := r.log.ReceiveMessage(bounded)
		cancel()
		if err != nil {
			if pgconn.Timeout(err) && ctx.Err() == nil {
				break
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return fmt.Errorf("read slot %q: %w", r.database.options.Slot, err)
		}
		if err := r.take(ctx, message, into); err != nil {
			return err
		}
	}
	into.Behind = int64(max(r.stream.end, r.at.LSN) - r.at.LSN)
	return nil
}

// take handles a message of the server.
func (r *reader[K, V]) take(ctx context.Context, message pgproto3.BackendMessage, into *source.Batch[K, V]) error {
	switch m := message.(type) {
	case *pgproto3.ErrorResponse:
		return fmt.Errorf("read slot %q: %w", r.database.options.Slot, pgconn.ErrorResponseToPgError(m))
	case *pgproto3.CopyData:
		if len(m.Data) == 0 {
			return nil
		}
		switch m.Data[0] {
		case pglogrepl.PrimaryKeepaliveMessageByteID:
			alive, err := pglogrepl.ParsePrimaryKeepaliveMessage(m.Data[1:])
			if err != nil {
				return fmt.Errorf("read slot %q: %w", r.database.options.Slot, err)
			}
			r.stream.end = max(r.stream.end, uint64(alive.ServerWALEnd))
			if r.stream.begin == nil && uint64(alive.ServerWALEnd) > r.at.LSN { // everything up to there was sent, and none of it is ours
				r.reached(uint64(alive.ServerWALEnd))
			}
			if alive.ReplyRequested {
				return r.tell(ctx)
			}
		case pglogrepl.XLogDataByteID:
			data, err := pglogrepl.ParseXLogData(m.Data[1:])
			if err != nil {
				return fmt.Errorf("read slot %q: %w", r.database.options.Slot, err)
			}
			r.stream.end = max(r.stream.end, uint64(data.ServerWALEnd))
			into.Bytes += int64(len(data.WALData))
			logical, err := pglogrepl.Parse(data.WALData)
			if err != nil {
				return fmt.Errorf("read slot %q at %s: %w", r.database.options.Slot, data.WALStart, err)
			}
			return r.apply(ctx, logical, into)
		}
	}
	return nil
}

// checkPublication finds out that the publication, or a table of it, is gone: the server passes over the changes then, and says so in its own log alone.
func (r *reader[K, V]) checkPublication(ctx context.Context) error {
	if time.Since(r.checked) < checkInterval {
		return nil
	}
	r.checked = time.Now()
	found, err := r.database.published(ctx, r.queries)
	if found && err != nil {
		return connector.Permanent{Err: fmt.Errorf("%w: %w", weir.ErrLostInput, err)}
	}
	if !found && err == nil {
		return r.database.publish(ctx, r.queries, false)
	}
	return err
}

// reached notes that the log is read up to there, between two transactions.
func (r *reader[K, V]) reached(lsn uint64) {
	r.at.LSN, r.at.Begun, r.at.Changes = max(r.at.LSN, lsn), 0, 0
	if r.settled > 0 && r.at.LSN >= r.settled {
		clear(r.at.Ranges)
		clear(r.snapshots)
		r.settled = 0
	}
}

// settle finds out when the snapshots of the rows have nothing to decide any more: all transactions that were open then have ended, and lie before the
// end of the log.
func (r *reader[K, V]) settle(ctx context.Context) error {
	if len(r.at.Ranges) == 0 || r.settled > 0 || time.Since(r.looked) < settleInterval {
		return nil
	}
	r.looked = time.Now()
	var oldest uint64
	var end string
	err := r.queries.QueryRow(ctx, "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, pg_current_wal_insert_lsn()::text").Scan(&oldest, &end)
	if err != nil {
		return fmt.Errorf("ask for the oldest transaction: %w", err)
	}
	for _, spans := range r.at.Ranges {
		for _, s := range spans {
			shown, err := r.parsed(s.Snapshot)
			if err != nil {
				return err
			}
			if shown.xmax > oldest {
				return nil
			}
		}
	}
	lsn, err := pglogrepl.ParseLSN(end)
	if err != nil {
		return fmt.Errorf("end of the log: %w", err)
	}
	r.settled = uint64(lsn)
	return nil
}

// apply handles a message of the plugin.
func (r *reader[K, V]) apply(ctx context.Context, message pglogrepl.Message, into *source.Batch[K, V]) error {
	s := &r.stream
	switch m := message.(type) {
	case *pglogrepl.RelationMessage:
		if s.relations == nil {
			s.relations = map[uint32]*pglogrepl.RelationMessage{}
		}
		s.relations[m.RelationID] = m
	case *pglogrepl.BeginMessage:
		s.begin, s.changes = m, 0
		if uint64(m.FinalLSN) != r.at.Begun {
			r.at.Begun, r.at.Changes = uint64(m.FinalLSN), 0
		}
	case *pglogrepl.CommitMessage:
		s.begin = nil
		r.reached(uint64(m.TransactionEndLSN))
	case *pglogrepl.InsertMessage:
		return r.change(ctx, Insert, m.RelationID, 0, nil, m.Tuple, into)
	case *pglogrepl.UpdateMessage:
		return r.change(ctx, Update, m.RelationID, m.OldTupleType, m.OldTuple, m.NewTuple, into)
	case *pglogrepl.DeleteMessage:
		return r.change(ctx, Delete, m.RelationID, m.OldTupleType, m.OldTuple, nil, into)
	case *pglogrepl.TruncateMessage:
		for _, id := range m.RelationIDs {
			if err := r.change(ctx, Truncate, id, 0, nil, nil, into); err != nil {
				return err
			}
		}
	}
	return nil
}

// change makes the records of a change.
func (r *reader[K, V]) change(ctx context.Context, op Op, id uint32, oldType uint8, before, after *pglogrepl.TupleData, into *source.Batch[K, V]) error {
	s := &r.stream
	relation := s.relations[id]
	if relation == nil || s.begin == nil {
		return connector.Permanent{Err: fmt.Errorf("read slot %q: a change of an unknown table, or outside of a transaction", r.database.options.Slot)}
	}
	if s.changes++; s.changes <= r.at.Changes {
		return nil
	}
	r.at.Changes = s.changes
	full := relation.Namespace + "." + relation.RelationName
	i := slices.Index(r.database.options.Tables, full)
	if i < 0 {
		return nil
	}
	t := r.database.tables[i]
	c := Change{Op: op, Schema: t.schema, Table: t.name, Time: s.begin.CommitTime, LSN: uint64(s.begin.FinalLSN), Transaction: s.begin.Xid}
	var oldKey []string
	var err error
	if before != nil {
		if c.Before, oldKey, err = r.tuple(t, relation, before, nil, oldType == pglogrepl.UpdateMessageTupleTypeKey); err != nil {
			return err
		}
	}
	key := oldKey
	if after != nil {
		if c.After, key, err = r.tuple(t, relation, after, before, false); err != nil {
			return err
		}
	}
	if op != Truncate {
		of := c.After
		if after == nil {
			of = c.Before
		}
		if c.Key, err = connector.Project(of, t.key); err != nil {
			return connector.Permanent{Err: fmt.Errorf("table %s: %w", t, err)}
		}
	}
	if spans := r.at.Ranges[full]; len(spans) > 0 && op != Truncate {
		return r.unseen(ctx, t, spans, c, oldKey, key, into)
	}
	return r.emit(c, into)
}

// unseen emits the parts of a change that the snapshots of their rows do not show. oldKey is the key before, or nil if the log does not have it.
func (r *reader[K, V]) unseen(ctx context.Context, t *table, spans []span, c Change, oldKey, key []string, into *source.Batch[K, V]) error {
	seen, err := r.seen(ctx, t, spans, key)
	if err != nil {
		return err
	}
	if c.Op != Update || oldKey == nil || slices.Equal(key, oldKey) {
		if seen {
			return nil
		}
		return r.emit(c, into)
	}
	// The row has moved to another key, perhaps to a part that was read at another time.
	seenBefore, err := r.seen(ctx, t, spans, oldKey)
	if err != nil {
		return err
	}
	gone := c
	gone.Op, gone.After = Delete, row.Row{}
	if gone.Key, err = connector.Project(c.Before, t.key); err != nil {
		return connector.Permanent{Err: fmt.Errorf("table %s: %w", t, err)}
	}
	switch {
	case seen && seenBefore:
		return nil
	case seen:
		return r.emit(gone, into)
	case seenBefore:
		c.Op, c.Before = Insert, row.Row{}
	}
	return r.emit(c, into)
}

// seen reports whether the snapshot of a key's row shows the current transaction.
func (r *reader[K, V]) seen(ctx context.Context, t *table, spans []span, key []string) (bool, error) {
	of := 0
	if len(spans) > 1 { // the order of keys is that of the server
		var bounds, marks []string
		var args [][]byte
		for i, kind := range t.types {
			marks = append(marks, fmt.Sprintf("$%d::%s", i+1, kind))
			args = append(args, []byte(key[i]))
		}
		for _, s := range spans[1:] {
			var bound []string
			for i, kind := range t.types {
				args = append(args, []byte(s.From[i]))
				bound = append(bound, fmt.Sprintf("$%d::%s", len(args), kind))
			}
			bounds = append(bounds, fmt.Sprintf("((%s) > (%s))::int", strings.Join(marks, ", "), strings.Join(bound, ", ")))
		}
		result := r.queries.PgConn().ExecParams(ctx, "SELECT "+strings.Join(bounds, " + "), args, nil, nil, nil).Read()
		if result.Err != nil {
			return false, fmt.Errorf("compare keys of table %s: %w", t, result.Err)
		}
		if _, err := fmt.Sscan(string(result.Rows[0][0]), &of); err != nil {
			return false, err
		}
	}
	s, err := r.parsed(spans[of].Snapshot)
	return err == nil && s.visible(r.stream.begin.Xid), err
}

// parsed returns a snapshot of the position, which decides about many changes.
func (r *reader[K, V]) parsed(text string) (*snapshot, error) {
	if s := r.snapshots[text]; s != nil {
		return s, nil
	}
	s, err := parseSnapshot(text)
	if err != nil {
		return nil, err
	}
	if r.snapshots == nil {
		r.snapshots = map[string]*snapshot{}
	}
	r.snapshots[text] = &s
	return &s, nil
}

// tuple makes a row of the values of a change, and returns the text of its key. A large value that an update has not changed is that of the row
// before, if that has it. keyOnly leaves out all but the key, for the rest was not sent.
func (r *reader[K, V]) tuple(t *table, relation *pglogrepl.RelationMessage, data, before *pglogrepl.TupleData, keyOnly bool) (_ row.Row, key []string, err error) {
	if len(data.Columns) != len(relation.Columns) {
		return row.Row{}, nil, errors.New("a change has another number of columns than its table")
	}
	fields := make([]row.Field, 0, len(data.Columns))
	key = make([]string, len(t.key))
	for i, column := range relation.Columns {
		at := slices.Index(t.key, column.Name)
		if keyOnly && at < 0 {
			continue
		}
		value := data.Columns[i]
		if value.DataType == pglogrepl.TupleDataTypeToast {
			if before == nil || before.Columns[i].DataType != pglogrepl.TupleDataTypeText {
				if r.database.options.OmitUnchanged {
					continue
				}
				return row.Row{}, nil, connector.Permanent{Err: fmt.Errorf("%w: table %s: an update of a row lacks the large value of column %q, as the table had no REPLICA IDENTITY FULL then: ALTER TABLE %s REPLICA "+
					"IDENTITY FULL, and use another Options.Name of the source, which begins with a snapshot, or set OmitUnchanged", weir.ErrLostInput, t, column.Name, t)}
			}
			value = before.Columns[i]
		}
		if value.DataType != pglogrepl.TupleDataTypeText {
			fields = append(fields, row.F(column.Name, row.Null()))
			continue
		}
		text := string(value.Data)
		if at >= 0 {
			key[at] = text
		}
		v, err := decode(text, column.DataType, r.database.options.FloatDecimals)
		if err != nil {
			return row.Row{}, nil, connector.Permanent{Err: fmt.Errorf("table %s, column %q, value %.100q: %w", t, column.Name, text, err)}
		}
		fields = append(fields, row.F(column.Name, v))
	}
	return row.New(fields...), key, nil
}
