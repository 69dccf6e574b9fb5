// Package portal calls the HTTP interface of Quix Cloud: workspaces, their brokers, certificates and topics.
//
// Programs that run a pipeline need package quixcloud alone. This package is for those that look up or make topics by themselves:
//
//	client, err := portal.New(portal.Config{}) // token and address from Quix__Sdk__Token and Quix__Portal__Api
//	if err != nil { ... }
//	workspace, err := client.FindWorkspace(ctx, "", "orders")
//	if err != nil { ... }
//	topic, err := client.Topic(ctx, workspace.ID, "orders")
//
// # Failures
//
// A request that only asks is sent again after 2, 4, 8, 16 and 32 s if the portal cannot be reached, does not answer within
// Config.RequestTimeout, cuts its answer off, or answers with status 429 or one from 500 on. A longer Retry-After of the portal counts, up to a
// minute. A request that makes a topic is sent again after status 429 alone: after other failures the topic may have been made. Every
// other status is an [*Error] at once.
//
// Errors name the request, and have the status, the message and the correlation id of the portal. They never hold the token.
package portal
