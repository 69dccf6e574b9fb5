// Package quix is a source that copies a topic of another workspace of Quix Cloud, without touching its consumers.
//
//	orders := stream.NewTopic("orders", codec.Bytes(), codec.Bytes())
//	t := stream.NewTopology()
//	t.AddSource(quix.New(orders, quix.Options[[]byte, []byte]{
//		Portal:    portal.Config{URL: portalURL, Token: token}, // a token for the workspace that is read
//		Workspace: "acme-prod",
//	}), orders)
//
// Connect asks the portal for the cluster of the workspace and for the id of the topic. From there on it is source/kafka: each partition is a
// split, and the copy is exactly once if the application is. Nothing is made in the workspace. See docs/connectors/quix.md.
package quix
