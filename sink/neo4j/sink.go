package neo4j

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"

	"github.com/neo4j/neo4j-go-driver/v5/neo4j"
	"github.com/neo4j/neo4j-go-driver/v5/neo4j/config"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/internal/connector/web"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/internal/bulk"
)

// Sink writes records to Neo4j. It is made by [New].
type Sink[K, V any] struct {
	options Options[K, V]
	host    string
	encoder encoder[K, V]
	// upsert and remove are the statements for records with values and for deletions. For a query of the user both are that one.
	upsert, remove string

	driver     neo4j.DriverWithContext // open between Connect and Close
	parameters map[string]any          // of the query, made by Connect
}

var _ sink.Sink[int, int] = (*Sink[int, int])(nil)

// New returns a sink that writes to Neo4j. Connect finds mistakes.
func New[K, V any](o Options[K, V]) *Sink[K, V] {
	s := &Sink[K, V]{options: o.withDefaults(), host: "(a malformed URI)"}
	if u, err := url.Parse(o.URI); err == nil && u.Host != "" {
		s.host = u.Host
	}
	s.encoder = encoder[K, V]{options: &s.options, key: connector.KeyValue[K](), row: connector.ToRow[V]()}
	s.upsert, s.remove = s.statements()
	return s
}

// recordsParameter is the name of the parameter with the records of a statement.
const recordsParameter = "records"

// statements returns the statements for records with values, and for deletions.
func (s *Sink[K, V]) statements() (upsert, remove string) {
	const unwind = "UNWIND $" + recordsParameter + " AS record "
	o := &s.options
	if o.Query != "" {
		query := unwind + "WITH record.__value AS event, record.__value AS __value, record.__key AS __key, record.__header AS __header, record.__time AS __time, " +
			"record.__timestamp AS __timestamp, record.__topic AS __topic, record.__partition AS __partition, record.__offset AS __offset, record.__origin AS __origin\n" + o.Query
		return query, query
	}
	node, id := "(n:"+Quote(o.Label)+" {"+Quote(o.ID)+": record.__key})", "n."+Quote(o.ID)
	set := " SET n = record.__value"
	if o.Keep {
		set = " SET n += record.__value"
	}
	return unwind + "MERGE " + node + set + " SET " + id + " = record.__key", unwind + "MATCH " + node + " DETACH DELETE n"
}

// String names the label and the host.
func (s *Sink[K, V]) String() string {
	if s.options.Label == "" {
		return "Neo4j at " + s.host
	}
	return fmt.Sprintf("nodes %q of Neo4j at %s", s.options.Label, s.host)
}

// Connect implements [sink.Sink]. It checks the options, the credentials and the database, has the server look at the query, and makes the constraints that are missing.
func (s *Sink[K, V]) Connect(ctx context.Context) error {
	o := &s.options
	if err := o.check(); err != nil {
		return fmt.Errorf("%w: sink neo4j: %w", weir.ErrConfiguration, err)
	}
	s.parameters = map[string]any{}
	for name, value := range o.Parameters {
		p, err := parameter(value)
		if err != nil {
			return fmt.Errorf("%w: sink neo4j: Parameters, %q: %w", weir.ErrConfiguration, name, err)
		}
		s.parameters[name] = p.value
	}
	token := neo4j.NoAuth()
	if o.User != "" {
		token = neo4j.BasicAuth(o.User, o.Password.Reveal(), "")
	}
	driver, err := neo4j.NewDriverWithContext(o.URI, token, func(c *config.Config) {
		c.UserAgent, c.TelemetryDisabled = "weir", true
		c.MaxConnectionPoolSize = o.Connections
		c.ConnectionAcquisitionTimeout, c.SocketConnectTimeout = o.Timeout, o.Timeout
		if o.TLS != nil {
			c.TlsConfig = o.TLS.Clone()
		}
	})
	if err != nil {
		return fmt.Errorf("%w: sink neo4j: open a client of %s: %w", weir.ErrConfiguration, s.host, err)
	}
	s.driver = driver
	bounded, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	retry := o.Retry
	retry.If = web.Again(retry.If)
	for _, step := range []func(context.Context) error{s.ping, s.explain, s.checkSchema} {
		if err := retry.Do(bounded, step); err != nil {
			_ = s.Close(context.WithoutCancel(ctx)) // the error of the step counts
			if permanent(err) {
				err = fmt.Errorf("%w: %w", weir.ErrConfiguration, err)
			}
			return fmt.Errorf("connect to %s: %w", s, err)
		}
	}
	return nil
}

// ask runs a statement in a transaction of the server, and returns its rows and its summary.
func (s *Sink[K, V]) ask(ctx context.Context, query string, parameters map[string]any) ([]*neo4j.Record, neo4j.ResultSummary, error) {
	session := s.session(ctx)
	defer closeSession(ctx, session)
	result, err := session.Run(ctx, query, parameters)
	if err != nil {
		return nil, nil, meaning(ctx, err)
	}
	rows, err := result.Collect(ctx)
	if err != nil {
		return nil, nil, meaning(ctx, err)
	}
	summary, err := result.Consume(ctx)
	return rows, summary, meaning(ctx, err)
}

func (s *Sink[K, V]) session(ctx context.Context) neo4j.SessionWithContext {
	return s.driver.NewSession(ctx, neo4j.SessionConfig{AccessMode: neo4j.AccessModeWrite, DatabaseName: s.options.Database})
}

func (s *Sink[K, V]) ping(ctx context.Context) error {
	_, _, err := s.ask(ctx, "RETURN 1", nil)
	return err
}

// explain has the server look at the statements, without records.
func (s *Sink[K, V]) explain(ctx context.Context) error {
	_, summary, err := s.ask(ctx, "EXPLAIN "+s.upsert, s.with([]any{}))
	if err != nil {
		return fmt.Errorf("the query of Options is refused: %w", err)
	}
	for _, n := range summary.Notifications() {
		if n.Code() == "Neo.ClientNotification.Statement.ParameterNotProvided" {
			return fmt.Errorf("%w: Options.Query names a parameter that Options.Parameters lacks: %s", weir.ErrConfiguration, n.Description())
		}
	}
	switch summary.StatementType() {
	case neo4j.StatementTypeWriteOnly, neo4j.StatementTypeReadWrite:
		return nil
	}
	return fmt.Errorf("%w: Options.Query writes nothing", weir.ErrConfiguration)
}

// checkSchema makes the constraints of Options.Unique, or returns an error that names the first missing one.
func (s *Sink[K, V]) checkSchema(ctx context.Context) error {
	if len(s.options.Unique) == 0 {
		return nil
	}
	rows, _, err := s.ask(ctx, "SHOW CONSTRAINTS YIELD type, entityType, labelsOrTypes, properties WHERE type IN ['UNIQUENESS', 'NODE_KEY', 'NODE_PROPERTY_UNIQUENESS'] AND entityType = 'NODE' "+
		"AND size(properties) = 1 AND size(labelsOrTypes) = 1 RETURN labelsOrTypes[0] AS label, properties[0] AS property", nil)
	if err != nil {
		return fmt.Errorf("ask for the constraints: %w", err)
	}
	var there []Unique
	for _, r := range rows {
		label, property, err := pair(r)
		if err != nil {
			return fmt.Errorf("ask for the constraints: %w", err)
		}
		there = append(there, Unique{label, property})
	}
	for _, u := range s.options.Unique {
		if slices.Contains(there, u) {
			continue
		}
		statement := "CREATE CONSTRAINT IF NOT EXISTS FOR (n:" + Quote(u.Label) + ") REQUIRE n." + Quote(u.Property) + " IS UNIQUE"
		if s.options.FixedSchema {
			return fmt.Errorf("%w: no constraint says that the property %q of nodes %q is unique. Without it each record reads all of these nodes: %s",
				weir.ErrConfiguration, u.Property, u.Label, statement)
		}
		if _, _, err := s.ask(ctx, statement, nil); err != nil {
			return fmt.Errorf("make a constraint by %s: %w", statement, err)
		}
	}
	return nil
}

func pair(r *neo4j.Record) (label, property string, err error) {
	if label, _, err = neo4j.GetRecordValue[string](r, "label"); err == nil {
		property, _, err = neo4j.GetRecordValue[string](r, "property")
	}
	return label, property, err
}

// with returns the parameters of a statement with records.
func (s *Sink[K, V]) with(records []any) map[string]any {
	all := make(map[string]any, len(s.parameters)+1)
	maps.Copy(all, s.parameters)
	all[recordsParameter] = records
	return all
}

// Writer implements [sink.Sink].
func (s *Sink[K, V]) Writer(_ context.Context, task sink.Task) (sink.Writer[K, V], error) {
	if s.driver == nil {
		return nil, errors.New("sink neo4j: Writer is called before Connect")
	}
	o := &s.options
	attempts := bulk.Attempts{Retry: o.Retry, OutageWait: o.OutageWait, Target: s, Noun: "record"}
	return bulk.NewWriter(bulk.Config[K, V, *item]{
		Target: s, Noun: "statement", Make: s.encoder.item, Logger: task.Logger, Size: func(i *item) int { return i.size },
		Write: func(ctx context.Context, records []weir.Record[struct{}, *item]) error {
			return bulk.Write(ctx, attempts, records, s.write)
		},
	}, sink.BatchOptions{
		MaxRecords: o.MaxRecords, MaxBytes: o.MaxBytes, HoldRecords: o.HoldRecords, HoldBytes: o.HoldBytes, MaxAge: o.MaxAge, Now: task.Now,
	}), nil
}

// Close implements [sink.Sink].
func (s *Sink[K, V]) Close(ctx context.Context) error {
	driver := s.driver
	s.driver = nil
	if driver == nil {
		return nil
	}
	if err := driver.Close(ctx); err != nil {
		return fmt.Errorf("close the client of %s: %w", s.host, err)
	}
	return nil
}
