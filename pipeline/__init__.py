"""What happens to a shipment: commands, sync, effects, after-sale, jobs, scheduler, worker.

It joins the store and the connectors; neither knows of the other. `pipeline.base.Pipeline` is what everything here
works with: one open database, its secrets, and the connectors of its accounts.
"""
