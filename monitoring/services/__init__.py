"""What monitoring does: functions named verb_noun, the actor first, the permission check inside."""
