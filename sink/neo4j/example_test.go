package neo4j_test

import (
	"fmt"
	"os"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/neo4j"
	"github.com/weirstreams/weir/stream"
)

// A node for each person, with the properties of its newest record.
func Example() {
	topic := stream.NewTopic("people", codec.String(), codec.JSON[person]())
	people := neo4j.New(neo4j.Options[string, person]{
		URI: "neo4j+s://graph.example.com", User: "weir", Password: secret.New(os.Getenv("NEO4J_PASSWORD")),
		Label: "Person",
	})
	t := stream.NewTopology()
	t.From(topic).Sink("people in Neo4j", people)
	fmt.Println(t.Validate())
	// Output: <nil>
}

// A relationship for each record.
func ExampleNew() {
	type follow struct {
		From  string `json:"from"`
		To    string `json:"to"`
		Since int    `json:"since"`
	}
	topic := stream.NewTopic("follows", codec.String(), codec.JSON[follow]())
	follows := neo4j.New(neo4j.Options[string, follow]{
		URI: "neo4j+s://graph.example.com", User: "weir", Password: secret.New(os.Getenv("NEO4J_PASSWORD")),
		Query: `MERGE (a:Person {name: event.from})
			MERGE (b:Person {name: event.to})
			MERGE (a)-[f:FOLLOWS]->(b) SET f.since = event.since`,
		Unique: []neo4j.Unique{{Label: "Person", Property: "name"}},
	})
	t := stream.NewTopology()
	t.From(topic).Sink("follows in Neo4j", follows)
	fmt.Println(t.Validate())
	// Output: <nil>
}

// Each payment is added to the sums of an account once, also if its record is processed again.
func ExampleOptions() {
	type payment struct {
		Account string `json:"account"`
		Cents   int64  `json:"cents"`
	}
	payments := stream.NewTopic("payments", codec.String(), codec.JSON[payment]())
	t := stream.NewTopology()
	t.From(payments).Sink("accounts in Neo4j", neo4j.New(neo4j.Options[string, payment]{
		URI: "neo4j+s://graph.example.com", User: "weir", Password: secret.New(os.Getenv("NEO4J_PASSWORD")),
		Query: `OPTIONAL MATCH (done:Payment {origin: __origin}) WITH * WHERE done IS NULL
			MERGE (a:Account {id: event.account}) SET a.cents = coalesce(a.cents, 0) + event.cents
			CREATE (a)-[:GOT]->(:Payment {origin: __origin, cents: event.cents, at: __time})`,
		Unique: []neo4j.Unique{{Label: "Payment", Property: "origin"}, {Label: "Account", Property: "id"}},
	}))
	fmt.Println(t.Validate())
	// Output: <nil>
}

// The label is a setting of the program.
func ExampleQuote() {
	fmt.Println("MERGE (n:" + neo4j.Quote("Bill`s") + " {id: __key})")
	// Output: MERGE (n:`Bill``s` {id: __key})
}
